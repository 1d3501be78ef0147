// Which jobs stand for a key: reserving a place among them, and forgetting those that stand no longer.
import { type Script, script } from "./script.ts";

const KEYS_OF_PLACE = `
local HELD, OUTBOX = KEYS[1], KEYS[2]
local call, sub = redis.call, string.sub
`;

/** Length of an id as text. */
const ID_LENGTH = 36;

/*
 * keys: a place's holders (a sorted set of field, zero byte, id: all with score 0) and outbox. arguments, for each job:
 *   field (queue, type and key, zero bytes between), id (text), number of holders that the caller looked at and found
 *   not to stand, each: id, 1 if it is over; entry of the outbox.
 * reply: for each job: number of holders that the caller has not looked at (0: the job is one of them from now on), each:
 *   id, its entry while it is not known to be delivered, or "".
 * cost: 2 commands a job and 1 a holder, 2 more when the job is reserved.
 */
const RESERVE = `
local reply = {}
local at = 1
while ARGV[at] do
  local field, id, seen_count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local prefix = field .. '\\0'
  local seen, over = {}, {}
  for k = at + 3, at + 1 + 2 * seen_count, 2 do
    seen[ARGV[k]] = true
    if ARGV[k + 1] == '1' then over[#over + 1] = prefix .. ARGV[k] end
  end
  at = at + 3 + 2 * seen_count
  local entry = ARGV[at]
  at = at + 1
  local place, unseen = #reply + 1, 0
  reply[place] = 0
  for _, member in ipairs(call('ZRANGE', HELD, '[' .. prefix, '(' .. field .. '\\1', 'BYLEX')) do
    local holder = sub(member, #prefix + 1)
    if #holder == ${ID_LENGTH} and not seen[holder] then
      unseen = unseen + 1
      reply[#reply + 1] = holder
      reply[#reply + 1] = call('HGET', OUTBOX, holder) or ''
    end
  end
  reply[place] = unseen
  if unseen == 0 then
    if over[1] then call('ZREM', HELD, unpack(over)) end
    call('ZADD', HELD, 0, prefix .. id)
    call('HSET', OUTBOX, id, entry)
  end
end
return reply
`;

/*
 * keys: a place's holders and outbox. arguments: member after which to begin or "", most members.
 * reply: each member, and 1 if its job is not known to be delivered, else 0.
 * cost: 1 command, and 1 a member.
 */
const READ = `
local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local reply = {}
for _, member in ipairs(call('ZRANGE', HELD, from, '+', 'BYLEX', 'LIMIT', 0, ARGV[2])) do
  reply[#reply + 1] = member
  reply[#reply + 1] = call('HEXISTS', OUTBOX, sub(member, -${ID_LENGTH}))
end
return reply
`;

/*
 * keys: a place's holders and outbox. arguments: members whose jobs are over.
 * reply: how many were forgotten. cost: 1 command, and 1 a member.
 */
const FORGET = `
local forgotten = 0
for _, member in ipairs(ARGV) do
  if call('HEXISTS', OUTBOX, sub(member, -${ID_LENGTH})) == 0 then
    forgotten = forgotten + call('ZREM', HELD, member)
  end
end
return { forgotten }
`;

/*
 * keys: a place's holders and outbox. arguments: member, id. Its job was refused: it never came to be.
 * reply: 1. cost: 2 commands.
 */
const REFUSED = `
call('ZREM', HELD, ARGV[1])
call('HDEL', OUTBOX, ARGV[2])
return { 1 }
`;

export const RESERVE_UNIQUE: Script = script("unique", "write", KEYS_OF_PLACE, RESERVE);
export const READ_UNIQUES: Script = script("uniques", "read", KEYS_OF_PLACE, READ);
export const FORGET_UNIQUES: Script = script("unique-forget", "settle", KEYS_OF_PLACE, FORGET);
export const REFUSE_UNIQUE: Script = script("unique-refused", "settle", KEYS_OF_PLACE, REFUSED);
