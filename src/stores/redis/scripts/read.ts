// Reads: records, pages, log lines and counts. None of them writes.
import { FIXED_KEYS, LIST_SLOTS } from "../layout.ts";
import { PRELUDE, type Script, script } from "./script.ts";

/*
 * keys: the room's. arguments: ids.
 * reply: [server time, number of lanes, lane and field for each, then for each id: record, running entry, extras,
 *   progress, result, kin; "" where there is none].
 * cost: 2 commands an id.
 */
const GET = `
local lanes, parts = {}, {}
for k = 1, #ARGV do
  local id = ARGV[k]
  local got = call('HMGET', shard_of(id), id, id .. 'x', id .. 'p', id .. 'r', id .. 'k')
  local at = (k - 1) * 6
  parts[at + 1] = got[1] or ''
  parts[at + 2] = got[1] and call('HGET', RUNNING, id) or ''
  parts[at + 3], parts[at + 4], parts[at + 5], parts[at + 6] = got[2] or '', got[3] or '', got[4] or '', got[5] or ''
  if got[1] then lanes[sub(got[1], 4, 5)] = true end
end
local reply = { now, 0 }
for lane in pairs(lanes) do
  reply[2] = reply[2] + 1
  reply[#reply + 1] = lane
  reply[#reply + 1] = call('HGET', META, 'l' .. lane) or ''
end
for _, part in ipairs(parts) do reply[#reply + 1] = part end
return reply
`;

/*
 * keys: the room's.
 * arguments: id before which to begin or "", most ids of each source, sources (L waiting in lists, t waiting by time,
 *   R running, w runs waiting at their
 *   owners, p runs put out of memory until they are told something, b jobs with keys by age, S, F, C ended), tag or "": then only what has it.
 * reply: ids, those of each source newest first.
 * cost: a command or two a source. A list is in the order of arrival, which is that of the ids but for producers
 *   whose clocks differ: the place of an id in it is found by halving.
 */
const PAGE = `
local before, limit, sources, tag = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local ids = {}
local function add_index(prefix)
  local high = before == '' and '(' .. prefix .. string.rep('\\255', 17) or '(' .. prefix .. before
  for _, member in ipairs(call('ZREVRANGEBYLEX', INDEX, high, '[' .. prefix, 'LIMIT', 0, limit)) do
    ids[#ids + 1] = sub(member, #prefix + 1)
  end
end
if tag ~= '' then
  add_index('G' .. tag .. '\\0')
  return ids
end
local function add_list(key)
  local last = call('LLEN', key)
  if before ~= '' then
    local low, high = 1, last
    while low < high do
      local middle = floor((low + high) / 2)
      if precedes(call('LINDEX', key, middle), before) then low = middle + 1 else high = middle end
    end
    last = low
  end
  if last > 1 then
    local found = call('LRANGE', key, math.max(1, last - limit), last - 1)
    for k = #found, 1, -1 do ids[#ids + 1] = found[k] end
  end
end
for source in string.gmatch(sources, '.') do
  if source == 'L' then
    for slot = 1, ${LIST_SLOTS} do add_list(KEYS[${FIXED_KEYS} + slot]) end
  elseif source == 'b' then add_list(ARRIVALS)
  elseif source == 'R' then
    local found = {}
    for _, id in ipairs(call('HKEYS', RUNNING)) do
      if id ~= '' and (before == '' or precedes(id, before)) then found[#found + 1] = id end
    end
    table.sort(found, function(a, b) return precedes(b, a) end)
    for k = 1, math.min(limit, #found) do ids[#ids + 1] = found[k] end
  else add_index('B' .. source) end
end
return ids
`;

/*
 * keys: the room's. arguments: id, after which line, most lines.
 * reply: number and text of each line.
 * cost: 2 commands.
 */
const LOGS = `
local id, after, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local key = shard_of(id)
local last = tonumber(call('HGET', key, id .. 'n') or 0)
local fields = {}
for seq = after + 1, math.min(last, after + limit) do fields[#fields + 1] = id .. pack('>I2', seq) end
if not fields[1] then return {} end
local lines = call('HMGET', key, unpack(fields))
local reply = {}
for k = 1, #lines do
  if lines[k] then
    reply[#reply + 1] = after + k
    reply[#reply + 1] = lines[k]
  end
end
return reply
`;

/*
 * keys: the room's.
 * reply: ["" or the pause, scheduled, ready, running, succeeded, failed, cancelled, "" or the draining, waiting], then
 *   worker and number of jobs for each worker that runs any, when the argument is 1.
 * cost: 2 commands a list, 1 a lane, 7 more; with workers, all running entries are read.
 */
const COUNT = `
local all = call('HGETALL', META)
local waiting, ready, scheduled = call('ZCARD', TIMED) - 1, 0, 0
local paused, draining = '', ''
for k = 1, #all, 2 do
  local field, value = all[k], all[k + 1]
  local kind = sub(field, 1, 1)
  if kind == 'l' and #field == 3 and waiting > 0 then
    local lane = sub(field, 2)
    scheduled = scheduled + call('ZLEXCOUNT', TIMED, '(' .. lane .. now6 .. '\\255', '[' .. lane .. '\\255')
  elseif field == 'X' then ready = ready + tonumber(value)
  elseif kind == 'D' then ready = ready - tonumber(value)
  elseif field == 'P' then paused = value
  elseif field == 'Q' then draining = value end
end
waiting = math.max(0, waiting)
ready = ready + math.max(0, call('ZCARD', KEYED) - 1) + (call('HGET', GATES, 'w') or 0)
for slot = 1, ${LIST_SLOTS} do ready = ready + math.max(0, call('LLEN', KEYS[${FIXED_KEYS} + slot]) - 1) end
local function ended(place) return call('ZLEXCOUNT', INDEX, '[B' .. place, '[B' .. place .. '\\255') end
local at_owner = ended('w')
local reply = { paused, scheduled, ready + waiting - scheduled, math.max(0, call('HLEN', RUNNING) - 1 - at_owner), ended('S'), ended('F'), ended('C'),
  draining, at_owner + ended('p') }
if ARGV[1] == '1' then
  local counts = {}
  local runs = call('HGETALL', RUNNING)
  for k = 1, #runs, 2 do
    if runs[k] ~= '' and not (has(byte(runs[k + 1], 1), KIN) and call('ZSCORE', INDEX, 'Bw' .. runs[k])) then
      local worker = string.match(runs[k + 1], '^([^%z]*)', 10)
      counts[worker] = (counts[worker] or 0) + 1
    end
  end
  for worker, count in pairs(counts) do
    reply[#reply + 1] = worker
    reply[#reply + 1] = count
  end
end
return reply
`;

/*
 * keys: the room's. arguments: most times of each group; the groups: letter of the outcome and type.
 * reply: for each group how many are kept, and of the oldest of them when each ended (6 bytes) and its id.
 * cost: 1 command a group, and where times are asked for 2 more for each time of retention in it.
 */
const OLDEST = `
local limit, reply = tonumber(ARGV[1]), {}
for at = 2, #ARGV do
  local prefix, after = 'E' .. ARGV[at] .. '\\0', 'E' .. ARGV[at] .. '\\1'
  reply[#reply + 1] = call('ZLEXCOUNT', INDEX, '[' .. prefix, '(' .. after)
  local ended, from = {}, '[' .. prefix
  while limit > 0 do
    local first = call('ZRANGE', INDEX, from, '(' .. after, 'BYLEX', 'LIMIT', 0, 1)[1]
    if not first then break end
    local group = sub(first, 1, #prefix + 6)
    from = '(' .. group .. string.rep('\\255', 23)
    for _, member in ipairs(call('ZRANGE', INDEX, '[' .. group, from, 'BYLEX', 'LIMIT', 0, limit)) do
      ended[#ended + 1] = sub(member, -22)
    end
  end
  table.sort(ended, precedes)
  reply[#reply + 1] = table.concat(ended, '', 1, math.min(limit, #ended))
end
return reply
`;

export const READ_JOBS: Script = script("get", "read", PRELUDE, GET);
export const READ_PAGE: Script = script("page", "read", PRELUDE, PAGE);
export const READ_LOGS: Script = script("logs", "read", PRELUDE, LOGS);
export const COUNT_JOBS: Script = script("count", "read", PRELUDE, COUNT);
export const READ_OLDEST: Script = script("oldest", "read", PRELUDE, OLDEST);
