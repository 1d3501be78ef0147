// Leases and upkeep.
import { LIMITS } from "./gates.ts";
import { ROWS } from "./rows.ts";
import { LANE_UPKEEP } from "./lanes.ts";
import { PRELUDE, RECORDS, type Script, TELLING, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/*
 * keys: the room's. arguments: worker, lease in ms.
 * reply: [1 kept, 0 the worker was held to be dead; then id and reason of each of its jobs that should be cancelled].
 * cost: 4 commands, whatever the number of jobs; a scan of the running jobs while a cancel request is open.
 */
const RENEW = `
local worker, lease_ms = ARGV[1], ARGV[2]
open_room(call('HGET', META, 'v'))
if call('ZSCORE', TIMERS, 'z' .. worker) then return { 0 } end
call('ZADD', TIMERS, now + lease_ms, 'l' .. worker)
-- By this a sweep tells a dead worker from a store that was away: then nobody renewed.
call('HSET', META, 'K', now, 'k', lease_ms)
local reply = { 1 }
local cancels_until = call('HGET', META, 'C')
if not cancels_until or tonumber(cancels_until) < now then return reply end
local runs = call('HGETALL', RUNNING)
for k = 1, #runs, 2 do
  local id, run = runs[k], runs[k + 1]
  if id ~= '' and has(byte(run, 1), CANCEL) and string.match(run, '^([^%z]*)', 10) == worker then
    reply[#reply + 1] = id
    reply[#reply + 1] = cjson.decode(call('HGET', shard_of(id), id .. 'x')).q.reason
  end
end
return reply
`;

/*
 * keys: the room's. arguments: worker, ms for which it is remembered as gone, 1 only if its lease is over.
 * reply: 1 if this call ended the lease, 0 if it was gone or still runs.
 * cost: 4 commands.
 */
const BURY = `
local worker, remember_ms = ARGV[1], ARGV[2]
open_room(call('HGET', META, 'v'))
local lease = call('ZSCORE', TIMERS, 'l' .. worker)
if ARGV[3] == '1' and (not lease or tonumber(lease) > now) then return 0 end
call('ZADD', TIMERS, now + remember_ms, 'z' .. worker)
call('HDEL', META, 'H' .. worker)
-- Whoever takes its runs over reads what they were told.
call('ZREMRANGEBYLEX', RUNS, '[\\255' .. worker .. '\\0', '(\\255' .. worker .. '\\1')
return call('ZREM', TIMERS, 'l' .. worker)
`;

/** A pause between sweeps this many times the one before says that the store was away: sweeps keep a steady pace. */
const AWAY_FACTOR = 3;
/** Pauses below this are noise: several processes sweep, each at its own time. */
const LEAST_PACE_MS = 500;

/*
 * keys: the room's.
 * arguments: most jobs handled, ms that a dead worker is remembered; for each type with a bound on what is kept: type, most succeeded, most failed, most cancelled (-1: no bound).
 * reply: [removed, 1 if more is due, number of dead workers, their names, number of jobs in reach, each: kind (x may
 *   be expired, c cancel request overdue, d overtaken by a new one and
 *   to be cancelled), id; number of jobs that were moved out and are not known to be delivered,
 *   number of entries in the outbox].
 * cost: grows with what is due, at most the bound.
 */
const SWEEP = `
local limit, remember_ms = tonumber(ARGV[1]), ARGV[2]
local meta = call('HMGET', META, 'v', 'K', 'k', 'S', 's', 'W', 'G')
open_room(meta[1])
if meta[7] then open_limits(meta[7]) end
local removed, more = 0, 0
local buried, jobs = {}, {}

local due = call('ZRANGE', TIMERS, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
if #due == limit then more = 1 end
-- Nobody renewed for half a lease, and sweeps, which came at their pace before, did not: the store was away, not the
-- workers. They get half a lease to come back.
local since_sweep = meta[4] and now - meta[4] or 0
local was_away = meta[2] and meta[5] and now - meta[2] > meta[3] / 2
  and since_sweep > ${AWAY_FACTOR} * math.max(tonumber(meta[5]), ${LEAST_PACE_MS})
call('HSET', META, 'S', now, 's', since_sweep)
for _, member in ipairs(due) do
  local kind, rest = sub(member, 1, 1), sub(member, 2)
  if kind == 'l' then
    if was_away then call('ZADD', TIMERS, now + floor(meta[3] / 2), member)
    else
      call('ZREM', TIMERS, member)
      call('ZADD', TIMERS, now + remember_ms, 'z' .. rest)
      call('HDEL', META, 'H' .. rest)
      buried[#buried + 1] = rest
    end
  elseif kind == 'x' then
    if call('HEXISTS', RUNNING, rest) == 1 then call('ZREM', TIMERS, member)
    else jobs[#jobs + 1] = { 'x', rest } end
  elseif kind == 'c' or kind == 'd' then jobs[#jobs + 1] = { kind, rest }
  else call('ZREM', TIMERS, member) end
end
-- Replies that nobody ever fetched: their senders are gone.
if call('HLEN', META) > 200 then
  local all = call('HGETALL', META)
  for k = 1, #all, 2 do
    if sub(all[k], 1, 1) == 'n' and #all[k] == 13 and struct.unpack('>I6', all[k + 1]) < now - 600000 then
      call('HDEL', META, all[k])
    end
  end
end

-- Workers that have jobs here and no lease.
local standing = {}
local function stands(worker)
  local known = standing[worker]
  if known ~= nil then return known end
  local scores = call('ZMSCORE', TIMERS, 'l' .. worker, 'z' .. worker)
  known = scores[1] and true or false
  if not known and not scores[2] then
    -- Neither: the store forgot the lease in a failover. A missing record is not an expired one.
    call('ZADD', TIMERS, now + (meta[3] or 30000), 'l' .. worker)
    known = true
  end
  standing[worker] = known
  return known
end
local orphaned = {}
local runs = call('HGETALL', RUNNING)
for k = 1, #runs, 2 do
  if runs[k] ~= '' then
    local worker = string.match(runs[k + 1], '^([^%z]*)', 10)
    if not stands(worker) then orphaned[worker] = true end
  end
end
for _, worker in ipairs(buried) do orphaned[worker] = true end
local dead = {}
for worker in pairs(orphaned) do dead[#dead + 1] = worker end

-- What ended and was kept long enough, or is beyond the number kept. A group: outcome, type, ms that it is kept.
local followed = meta[6] and tonumber(meta[6]) > server_now
local queue = cjson.encode(string.match(META, '|([^|]*)|[^|]*}m$'))
local function remove_range(members)
  for _, member in ipairs(members) do
    local id = sub(member, -16)
    local key = shard_of(id)
    local record = call('HGET', key, id)
    call('ZREM', INDEX, member, 'B' .. sub(member, 2, 2) .. id)
    if record then
      count_ended(record, -1)
      if followed then tell(id_text(id) .. '"type":' .. cjson.encode(sub(member, 3, -30)) .. ',"queue":' .. queue .. ',"kind":"removed"}') end
      purge(id, byte(record, 2), key)
    end
    removed = removed + 1
  end
end
local groups, from = {}, '[E'
for _ = 1, 1000 do
  local first = call('ZRANGE', INDEX, from, '(F', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not first then break end
  local group = sub(first, 1, #first - 22)
  from = '(' .. group .. string.rep('\\255', 23)
  groups[#groups + 1] = group
  local keep_ms = struct.unpack('>I6', sub(group, -6))
  if removed < limit and now - keep_ms > 0 then
    local over = call('ZRANGE', INDEX, '[' .. group, '[' .. group .. pack('>I6', now - keep_ms) .. string.rep('\\255', 17), 'BYLEX', 'LIMIT', 0, limit - removed)
    remove_range(over)
    if removed >= limit then more = 1 end
  end
end
local places = { 'S', 'F', 'C' }
for at = 3, #ARGV, 4 do
  for k = 1, 3 do
    local bound = tonumber(ARGV[at + k])
    if bound >= 0 then
      local prefix = 'E' .. places[k] .. ARGV[at] .. '\\0'
      local kept = call('ZLEXCOUNT', INDEX, '[' .. prefix, '(E' .. places[k] .. ARGV[at] .. '\\1')
      local over = kept - bound
      if over > 0 then
        if over > limit - removed then over, more = math.max(0, limit - removed), 1 end
        local oldest = {}
        for _, group in ipairs(groups) do
          if sub(group, 1, #prefix) == prefix and #group == #prefix + 6 then
            for _, member in ipairs(call('ZRANGE', INDEX, '[' .. group, '(' .. group .. string.rep('\\255', 23), 'BYLEX', 'LIMIT', 0, over)) do
              oldest[#oldest + 1] = member
            end
          end
        end
        table.sort(oldest, function(a, b) return precedes(sub(a, -22), sub(b, -22)) end)
        local last = {}
        for k = 1, math.min(over, #oldest) do last[k] = oldest[k] end
        remove_range(last)
      end
    end
  end
end

forget_lanes()
-- A room of an older program lacks keys: while its slot migrates, calls would be told TRYAGAIN until that is over.
if call('EXISTS', KEYED, TURNS, GATES, ARRIVALS) < 4 then
  call('ZADD', KEYED, 0, '')
  call('ZADD', TURNS, 0, '')
  call('HSET', GATES, '', '')
  if call('EXISTS', ARRIVALS) == 0 then call('RPUSH', ARRIVALS, '') end
end
if limits then
  limits.upkeep(runs)
  tidy_arrivals({}, 0)
end
publish_told()
local reply = { removed, more, #dead }
for _, worker in ipairs(dead) do reply[#reply + 1] = worker end
reply[#reply + 1] = #jobs
for _, job in ipairs(jobs) do reply[#reply + 1] = job[1] reply[#reply + 1] = job[2] end
reply[#reply + 1] = tonumber(call('HGET', META, 'o') or 0)
reply[#reply + 1] = call('HLEN', OUTBOX) - 1
return reply
`;

/*
 * keys: the room's. arguments: timers to be dropped.
 * cost: 1 command.
 */
const DROP_TIMERS = `
open_room(call('HGET', META, 'v'))
return call('ZREM', TIMERS, unpack(ARGV))
`;

export const RENEW_LEASE: Script = script("renew", "settle", PRELUDE, WRITING, RENEW);
export const END_LEASE: Script = script("bury", "settle", PRELUDE, WRITING, BURY);
export const SWEEP_ROOM: Script = script(
  "sweep",
  "settle",
  PRELUDE,
  WRITING,
  TELLING,
  WAKING,
  ROWS,
  LIMITS,
  RECORDS,
  LANE_UPKEEP,
  SWEEP,
);
export const DROP_DONE_TIMERS: Script = script("drop", "settle", PRELUDE, WRITING, DROP_TIMERS);
