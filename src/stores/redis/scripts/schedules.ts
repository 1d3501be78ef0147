// Schedules.
import { CLOCK, type Script, script } from "./script.ts";

/*
 * keys: the directory's schedules, due and outbox. arguments, for each change: name, record as it was read ("" none),
 *   record to be ("" none), time of its next tick or "", number of jobs, id and outbox entry of each.
 * reply: for each: 1 done, 0 not as it was read. cost: 3 commands a change, 1 more for its jobs.
 * The record's mark "\\1" stands for the time.
 */
const WRITE = `
local SCHEDULES, DUE, OUTBOX = KEYS[1], KEYS[2], KEYS[3]
${CLOCK}
local reply = {}
local at = 1
while ARGV[at] do
  local name, before, after, fire_at, jobs = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
  local jobs_at = at + 5
  at = jobs_at + 2 * jobs
  if (redis.call('HGET', SCHEDULES, name) or '') ~= before then reply[#reply + 1] = 0
  else
    reply[#reply + 1] = 1
    if after == '' then redis.call('HDEL', SCHEDULES, name)
    else redis.call('HSET', SCHEDULES, name, (string.gsub(after, '\\1(%d+)\\2', function(ms) return string.format('%d', now + ms) end))) end
    if fire_at == '' then redis.call('ZREM', DUE, name) else redis.call('ZADD', DUE, fire_at, name) end
    if jobs > 0 then redis.call('HSET', OUTBOX, unpack(ARGV, jobs_at, at - 1)) end
  end
end
return reply
`;

/*
 * keys: the directory's schedules and due. arguments: most.
 * reply: [server time, ms until the next fires (0: a limit left some out, -1: none), records].
 * cost: 2 commands, one a record.
 */
const READ_DUE = `
local SCHEDULES, DUE = KEYS[1], KEYS[2]
${CLOCK}
local limit = tonumber(ARGV[1])
local names = redis.call('ZRANGE', DUE, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit + 1)
local reply = { now, -1 }
local later = redis.call('ZRANGE', DUE, '(' .. string.format('%d', now), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
if later[2] then reply[2] = later[2] - now end
if #names > limit then reply[2] = 0 end
for k = 1, math.min(limit, #names) do
  reply[#reply + 1] = redis.call('HGET', SCHEDULES, names[k]) or ''
end
return reply
`;

export const WRITE_SCHEDULES: Script = script("schedules", "write", WRITE);
export const DUE_SCHEDULES: Script = script("due", "read", READ_DUE);
