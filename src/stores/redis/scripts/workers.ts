// Workers: the directory of a namespace, and what a room knows of one.
import { CLOCK, PRELUDE, type Script, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

const DIRECTORY = `
local WORKERS, LEASES, GONE = KEYS[1], KEYS[2], KEYS[3]
${CLOCK}
`;

/*
 * keys: the directory's workers, leases and gone. arguments: worker, ms of its lease, its description.
 * reply: [1 kept, 0 the worker was held to be dead]. cost: 3 commands.
 */
const JOIN = `
if redis.call('ZSCORE', GONE, ARGV[1]) then return { 0 } end
redis.call('HSET', WORKERS, ARGV[1], ARGV[3])
redis.call('ZADD', LEASES, now + ARGV[2], ARGV[1])
return { 1 }
`;

/*
 * keys: the directory's. arguments: worker. reply: [1]. cost: 2 commands.
 */
const LEAVE = `
redis.call('HDEL', WORKERS, ARGV[1])
redis.call('ZREM', LEASES, ARGV[1])
return { 1 }
`;

/*
 * keys: the directory's.
 * reply: worker, time until which it holds its lease, description of each. cost: 2 commands, one a worker.
 */
const WORKERS_LIST = `
local reply = {}
local leases = redis.call('ZRANGE', LEASES, now, '+inf', 'BYSCORE', 'WITHSCORES')
for k = 1, #leases, 2 do
  local description = redis.call('HGET', WORKERS, leases[k])
  if description then
    reply[#reply + 1] = leases[k]
    reply[#reply + 1] = leases[k + 1]
    reply[#reply + 1] = description
  end
end
return reply
`;

/*
 * keys: the directory's. arguments: ms for which a dead worker is remembered, workers known to be dead.
 * reply: workers that left the directory by this call. cost: 4 commands a worker.
 */
const CLEAN = `
local gone = {}
local function bury(worker)
  if redis.call('ZREM', LEASES, worker) == 1 then gone[#gone + 1] = worker end
  redis.call('HDEL', WORKERS, worker)
  redis.call('ZADD', GONE, now + ARGV[1], worker)
end
redis.call('ZREMRANGEBYSCORE', GONE, '-inf', now)
for k = 2, #ARGV do bury(ARGV[k]) end
for _, worker in ipairs(redis.call('ZRANGE', LEASES, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)) do bury(worker) end
return gone
`;

/*
 * keys: the room's. arguments: worker. reply: [number of jobs that it runs here, their ids, then those of its workflow
 *   runs that only wait]. cost: a scan of the running jobs.
 */
const RUNNING_OF = `
local ids, waiting = { 0 }, {}
local runs = call('HGETALL', RUNNING)
for k = 1, #runs, 2 do
  if runs[k] ~= '' and string.match(runs[k + 1], '^([^%z]*)', 10) == ARGV[1] then
    if has(byte(runs[k + 1], 1), KIN) and call('ZSCORE', INDEX, 'Bw' .. runs[k]) then waiting[#waiting + 1] = runs[k]
    else ids[#ids + 1] = runs[k] end
  end
end
ids[1] = #ids - 1
for _, id in ipairs(waiting) do ids[#ids + 1] = id end
return ids
`;

/*
 * keys: the room's. arguments: lane (2 bytes). A worker that has no free slot passes on that it was woken.
 * reply: [1]. cost: 3 commands.
 */
const PASS = `
open_room(call('HGET', META, 'v'))
wake(ARGV[1], 1)
return { 1 }
`;

export const JOIN_DIRECTORY: Script = script("join", "settle", DIRECTORY, JOIN);
export const LEAVE_DIRECTORY: Script = script("leave", "settle", DIRECTORY, LEAVE);
export const LIST_WORKERS: Script = script("workers", "read", DIRECTORY, WORKERS_LIST);
export const CLEAN_DIRECTORY: Script = script("clean", "settle", DIRECTORY, CLEAN);
export const RUNNING_JOBS: Script = script("running", "read", PRELUDE, RUNNING_OF);
export const PASS_ON: Script = script("pass", "settle", PRELUDE, WRITING, WAKING, PASS);
