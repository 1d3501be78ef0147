// Idempotency keys.
import { CLOCK, type Script, script } from "./script.ts";

/** Keys forgotten by one call, so that a place stays as small as what it must remember. */
const FORGOTTEN_AT_A_TIME = 20;

/*
 * keys: a place of idempotency keys. arguments, for each job: 1 if it is kept already, field (type, zero byte, key), id (text), ms for which the
 *   key is remembered, entry of the outbox.
 * reply: for each job: id that holds the key, its entry while it is not known to be delivered, or "".
 * cost: 2 commands a job, 3 more when the key is new.
 */
const RESERVE = `
local HELD, TIMERS, OUTBOX = KEYS[1], KEYS[2], KEYS[3]
${CLOCK}
local over = redis.call('ZRANGE', TIMERS, '-inf', now, 'BYSCORE', 'LIMIT', 0, ${FORGOTTEN_AT_A_TIME})
if over[1] then
  redis.call('ZREM', TIMERS, unpack(over))
  redis.call('HDEL', HELD, unpack(over))
end
local reply = {}
for at = 1, #ARGV, 5 do
  local is_known, field, id = ARGV[at] == '1', ARGV[at + 1], ARGV[at + 2]
  local until_at = redis.call('ZSCORE', TIMERS, field)
  local holder = until_at and tonumber(until_at) > now and redis.call('HGET', HELD, field)
  if not holder and is_known then holder = id
  elseif not holder then
    holder = id
    redis.call('HSET', HELD, field, id)
    redis.call('ZADD', TIMERS, now + ARGV[at + 3], field)
    redis.call('HSET', OUTBOX, id, ARGV[at + 4])
  end
  reply[#reply + 1] = holder
  reply[#reply + 1] = redis.call('HGET', OUTBOX, holder) or ''
end
return reply
`;

/*
 * keys: a place of idempotency keys. arguments: field, id of the job that was refused.
 * reply: [1]. cost: 2 commands, 2 more when it holds the key.
 */
const RELEASE = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
redis.call('HDEL', KEYS[3], ARGV[2])
return { 1 }
`;

/*
 * keys: idempotency keys of a place. arguments: field, id that holds it, id that is to hold it.
 * reply: [1]. cost: 2 commands.
 */
const HAND_OVER = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return { 1 }
`;

export const HAND_OVER_KEY: Script = script("key-over", "settle", HAND_OVER);
export const RELEASE_KEY: Script = script("release-key", "settle", RELEASE);
export const RESERVE_KEYS: Script = script("reserve", "write", RESERVE);
