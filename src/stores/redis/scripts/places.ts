// Where jobs that are ready stand: what a claim would take before them.
import { FIXED_KEYS } from "../layout.ts";
import { LIMITS } from "./gates.ts";
import { ROWS, ROW_READING } from "./rows.ts";
import { PRELUDE, type Script, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/** Most jobs counted before one: a claim away from it is not told from a day. */
export const MAX_COUNTED_AHEAD = 100_000;
/** Entries of a list that are looked at one by one, for marks of jobs that left it; beyond them it is reckoned. */
const MAX_MARKS_READ = 5_000;
/** Groups of keys whose jobs are counted: those beyond are not. */
const MAX_GROUPS_READ = 2_000;
/** Marks in a row that are passed over to find a job to compare with. */
const MAX_PASSED = 100;

/*
 * keys: the room's. arguments: those that could take the jobs, as JSON (store.ts), or '' for any; for each job: its rank (due less head start, ms), id, keys ('' where it has none).
 * reply: for each, how many ready jobs of the room that one of these would claim have a lower rank, or the same and a lower id; of a job with keys, how
 *   many of the same keys: keys take turns, so only those are before it for sure.
 * cost: 1 command a lane, 2 a thousand groups of keys, 1 a group with more than a few jobs; for a list as many as halving takes, and one a job before it, up to a bound, where jobs left
 *   it out of their turn.
 */
const AHEAD = `
local lanes = {}
local takers = ARGV[1] ~= '' and cjson.decode(ARGV[1])
local function set_of(list)
  local set = {}
  for _, each in ipairs(list) do set[each] = true end
  return set
end
for _, taker in ipairs(takers or {}) do
  taker.types = taker.types and set_of(taker.types)
  taker.labels = set_of(taker.labels)
end
-- definition: a lane's type, two numbers, and the labels that its jobs require.
local function is_claimed(definition)
  for _, taker in ipairs(takers or {}) do
    local is_offered = not taker.types or taker.types[definition[1]]
    for k = 4, #definition do is_offered = is_offered and taker.labels[definition[k]] end
    if is_offered then return true end
  end
  return not takers
end
local all = call('HGETALL', META)
for k = 1, #all, 2 do
  local field, value = all[k], all[k + 1]
  if byte(field, 1) == 100 and sub(field, 2, 2) ~= '!' then
    local is_keyed = sub(field, 2, 2) == '#'
    local definition = cjson.decode(sub(field, is_keyed and 3 or 2))
    if is_claimed(definition) then lanes[#lanes + 1] = { number = sub(value, 1, 2), slot = byte(value, 3), head_start = definition[2], is_keyed = is_keyed } end
  end
end
local function clamp6(ms) return pack('>I6', math.max(0, math.min(ms, 281474976710655))) end
local function record_in_list(id)
  local record = call('HGET', shard_of(id), id)
  if record and byte(record, 1) == 76 then return record end
end
-- Entries of a list before the first that is not below a due time and id: they are in the order of arrival.
local function entries_below(list, due6, id)
  local low, high = 1, call('LLEN', list)
  while low < high do
    local middle = floor((low + high) / 2)
    local at, record, entry = middle, nil, nil
    repeat
      entry = call('LINDEX', list, at)
      record = record_in_list(entry)
      at = at + 1
    until record or at == high or at > middle + ${MAX_PASSED}
    if record and precedes(sub(record, 12, 17) .. entry, due6 .. id) then low = at
    else high = middle end
  end
  return low - 1
end
local function marks_within(list, entries, left)
  local read = math.min(entries, ${MAX_MARKS_READ})
  local marks = 0
  for _, id in ipairs(call('LRANGE', list, 1, read)) do
    if not record_in_list(id) then marks = marks + 1 end
  end
  return marks + math.min(entries - read, math.max(0, left - marks))
end
-- Jobs that wait under their keys, by rank as if there were no turns. Those that a limit holds are before nobody: their
-- groups are not in the ring, or will leave it at their next turn.
open_limits(call('HGET', META, 'G') or '')
local function is_shut(keys)
  local own = limits.gates_of(keys)
  for _, gate in ipairs(own.name and { own } or own) do
    if limits.room_at(gate) <= 0 then return true end
  end
  return false
end
local function keyed_below(lane, job)
  local list_of_keys, names, fields, count = {}, {}, {}, 0
  local members = call('ZRANGEBYLEX', TURNS, '[R' .. lane, '[R' .. lane .. '\\255', 'LIMIT', 0, ${MAX_GROUPS_READ})
  for k, member in ipairs(members) do
    list_of_keys[k] = sub(member, 10)
    names[k] = lane .. list_of_keys[k]
    fields[k] = 'r' .. names[k]
  end
  limits.load_gates(list_of_keys)
  for k, text in ipairs(read_fields(GATES, fields)) do
    if text and not is_shut(list_of_keys[k]) then count = count + count_before(names[k], text, job) end
  end
  return count
end
local function own_below(keys, id)
  local record = call('HGET', shard_of(id), id)
  if not record then return 0 end
  local name = sub(record, 4, 5) .. keys
  local text = call('HGET', GATES, 'r' .. name)
  return text and count_before(name, text, sub(record, 12, 17) .. id) or 0
end
local reply = {}
for at = 2, #ARGV, 3 do
  local rank, id, keys = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  local ahead = keys ~= '' and own_below(keys, id) or 0
  for _, lane in ipairs(keys == '' and lanes or {}) do
    local due6 = clamp6(rank + lane.head_start)
    local until_member = not precedes(now6, due6) and '(' .. lane.number .. due6 .. id or '(' .. lane.number .. now6 .. '\\255'
    ahead = ahead + call('ZLEXCOUNT', TIMED, '[' .. lane.number, until_member)
    if lane.is_keyed then ahead = ahead + keyed_below(lane.number, due6 .. id) end
    if lane.slot > 0 then
      local list = KEYS[${FIXED_KEYS} + lane.slot]
      local entries = entries_below(list, due6, id)
      local left = tonumber(call('HGET', META, 'D' .. lane.slot) or 0)
      if left > 0 and entries > 0 then entries = entries - marks_within(list, entries, left) end
      ahead = ahead + entries
    end
  end
  reply[#reply + 1] = ahead
end
return reply
`;

export const COUNT_AHEAD: Script = script(
  "ahead",
  "read",
  PRELUDE,
  WAKING,
  ROWS,
  LIMITS,
  ROW_READING,
  AHEAD,
);
