// Words of workflow runs that say nothing but how far the runs are: texts for their records, or that they have ended.
import { ROWS } from "./rows.ts";
import { PRELUDE, RECORDS, type Script, WRITING, script } from "./script.ts";

/** Bytes of a word's head: run (16), texts that the record had (4), texts (2), kind, digits of its token's number; these. */
export const PLAIN_HEAD_BYTES = 24;

/*
 * keys: the room's.
 * arguments: nonce, nonces of replies that arrived, what all claims begin with (worker, zero byte, token up to its
 *   number), 1 if there are last words, heads of the words in one text (of each run one word), then the texts of them
 *   all, as rows of the records (runs.ts). A kind is r, w (the run goes on running, or waiting), d (its last word, of
 *   a run that no other made, and nothing is kept of it: it has no texts) or D (the same, of a run that was claimed right
 *   after that of the last d or D, and has a higher id), or m (its last word, of a run that no other made, and its record
 *   is kept: behind its texts are place, flags, ms that it is kept (6 bytes) and type in one text, extras, result, as in
 *   move.ts).
 * reply: [server time, 1 if somebody follows, letters: a accepted, k kept before, s stale, g gone, c to be said by speak
 *   (runs.ts); 1 if the room has limits]
 *   [-1, 1 if somebody follows, "", 1 if the room has limits]: whoever follows, or waits at a gate, is to be told what
 *   this script can't tell. Nothing was written.
 * cost: 5 commands, 3 a shard, 1 a last word. What two words of a run take of a server is 0.7 of what they took in an act,
 *   for the texts and tables that Lua makes; with what the worker no longer plans, runs of two local steps go 1.2 times as
 *   fast.
 */
const BODY = `
local nonce, arrived, claim = ARGV[1], ARGV[2], ARGV[3]
local parse = struct.unpack
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce, 'G')
local followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
local limited = meta[4] and 1 or 0
if meta[3] then return { parse('>I6', meta[3]), followed, say_again(nonce, meta[3]), limited } end
if followed == 1 or (limited == 1 and ARGV[4] == '1') then return { -1, followed, '', limited } end
open_room(meta[1])
local heads, at = ARGV[5], 1
local count, size = 0, #heads
local ids, numbers, froms, texts, kinds = {}, {}, {}, {}, {}
while at < size do
  count = count + 1
  ids[count], froms[count], texts[count], kinds[count], numbers[count], at = parse('>c16I4I2BBc0', heads, at)
end
local runs = call('HMGET', RUNNING, unpack(ids))
-- What is kept of their kin, where anything is.
local kins, records, kin_fields, fields_of, found_of = {}, {}, {}, {}, {}
local function look_for(k, field, found)
  local burst = floor(byte(field, 6) / 32)
  local fields = fields_of[burst]
  if not fields then
    fields = {}
    fields_of[burst], found_of[burst] = fields, {}
  end
  local n = #fields
  fields[n + 1], found_of[burst][2 * n + 1], found_of[burst][2 * n + 2] = field, found, k
end
for k = 1, count do
  local run = runs[k]
  if run and byte(run, 1) >= KIN then
    local field = ids[k] .. 'k'
    kin_fields[k] = field
    look_for(k, field, kins)
  end
  if run and kinds[k] == 109 then look_for(k, ids[k], records) end
end
for burst, fields in pairs(fields_of) do
  local found = found_of[burst]
  local values = call('HMGET', shard_of(fields[1]), unpack(fields))
  for n = 1, #fields do found[2 * n - 1][found[2 * n]] = values[n] end
end
local rows, row_count, entries, entry_count, ended, ended_count = {}, 0, {}, 0, {}, 0
local waiting, waiting_no_more, drop_of, write_of, heavy = {}, {}, {}, {}, {}
local claim_end = 9 + #claim
-- Rows of runs that end, each claimed right after the one before: one command removes them where nothing else is among
-- them, which their number tells.
local spoken, spoken_count, spoken_texts = {}, 0, 0
local function remove_rows()
  if spoken_count == 0 then return end
  local low, high = '[' .. spoken[1] .. 'e', '(' .. spoken[spoken_count] .. 'g'
  if spoken_count > 1 and call('ZLEXCOUNT', RUNS, low, high) ~= spoken_texts then
    for n = 1, spoken_count do call('ZREMRANGEBYLEX', RUNS, '[' .. spoken[n] .. 'e', '(' .. spoken[n] .. 'g') end
  else call('ZREMRANGEBYLEX', RUNS, low, high) end
  spoken, spoken_count, spoken_texts = {}, 0, 0
end
local function in_shard(lists, id)
  local burst = floor(byte(id, 6) / 32)
  local list = lists[burst]
  if not list then list = {} lists[burst] = list end
  return list, #list
end
local function wait_no_more(id) waiting_no_more[#waiting_no_more + 1] = 'Bw' .. id end
-- Of runs that no other made: their kin by how many texts they have, and how they go on.
local usual = {}
local function kin_of(kin, kept, state)
  if kin and find(kin, NOBODY, 1, true) ~= 1 then return sub(kin, 1, 16) .. pack('>I4B', kept, state) end
  local place = kept * 256 + state
  local made = usual[place]
  if not made then made = NOBODY .. pack('>I4B', kept, state) usual[place] = made end
  return made
end
local function put_texts(first, more)
  for n = first, first + more - 1 do
    -- A score that is a text: Lua would print a number.
    rows[row_count + 1], rows[row_count + 2] = '0', ARGV[n]
    row_count = row_count + 2
  end
end
local function go_on(k, id, run, flags, kin, first)
  local more, from, state = texts[k], froms[k], kinds[k]
  local kept, before = 0, 0
  if kin then kept, before = parse('>I4B', kin, 17) end
  if more > 0 and kept == from + more then return 'k' end
  if kept ~= from then return 's' end
  put_texts(first, more)
  if state == 119 and before ~= 119 then
    waiting[#waiting + 1] = '0'
    waiting[#waiting + 1] = 'Bw' .. id
  elseif state ~= 119 and before == 119 then wait_no_more(id) end
  local new = flags < KIN and flags + KIN or flags
  if has(new, EXPIRES) then
    -- A run that has begun does not expire.
    call('ZREM', TIMERS, 'x' .. id)
    new = new - EXPIRES
  end
  if new ~= flags then
    -- In one go, of pieces that are short or there: a text is hashed byte by byte.
    local rest = limited == 1 and sub(run, claim_end + 1) or numbers[k]
    entries[entry_count + 1], entries[entry_count + 2] = id, string.char(new) .. sub(run, 2, 9) .. claim .. rest
    entry_count = entry_count + 2
  end
  local list, n = in_shard(write_of, id)
  list[n + 1], list[n + 2] = kin_fields[k] or id .. 'k', kin_of(kin, kept + more, state)
  return 'a'
end
local function end_run(k, id, flags, kin)
  if has(flags, CANCEL) or (kin and find(kin, NOBODY, 1, true) ~= 1) then return 'c' end
  local kept, before = 0, 45
  if kin then kept, before = parse('>I4B', kin, 17) end
  if kept ~= froms[k] then return 's' end
  ended_count = ended_count + 1
  ended[ended_count] = id
  if flags ~= 0 and flags ~= KIN then
    heavy[#heavy + 1], heavy[#heavy + 2] = id, flags
    return 'a'
  end
  local list, n = in_shard(drop_of, id)
  list[n + 1] = id
  if kin then
    list[n + 2] = kin_fields[k]
    if before == 119 then wait_no_more(id) end
    -- One that neither spoke nor was told anything has no rows.
    if before ~= 45 then
      spoken_count, spoken_texts = spoken_count + 1, spoken_texts + kept
      spoken[spoken_count] = id
    end
  end
  return 'a'
end
local indexed, ended_of_lane = {}, {}
local function stamped(ms) return string.format('%d', now + ms) end
local function keep_end(k, id, flags, kin, record, first)
  -- What it told while it ran is for whom writes what a move does.
  if has(flags, CANCEL) or has(flags, PROGRESS) or has(flags, LOGS) or has(flags, RESULT)
    or (kin and find(kin, NOBODY, 1, true) ~= 1) then return 'c' end
  local more, kept, before = texts[k], 0, 45
  if kin then kept, before = parse('>I4B', kin, 17) end
  if kept ~= froms[k] then return 's' end
  if not record then return 'g' end
  put_texts(first, more)
  local head, extras, result = ARGV[first + more], ARGV[first + more + 1], ARGV[first + more + 2]
  local place, new = sub(head, 1, 1), byte(head, 2)
  if kin or more > 0 then new = new + KIN end
  ended_count = ended_count + 1
  ended[ended_count] = id
  if before == 119 then wait_no_more(id) end
  if has(flags, EXPIRES) then call('ZREM', TIMERS, 'x' .. id) end
  local list, n = in_shard(write_of, id)
  list[n + 1], list[n + 2] = id, place .. string.char(new) .. string.char((byte(record, 3) + 1) % 256) .. sub(record, 4)
  list[n + 3], list[n + 4] = id .. 'x', (string.gsub(extras, '\\1(%-?%d+)\\2', stamped))
  n = n + 4
  if has(new, RESULT) then
    list[n + 1], list[n + 2] = id .. 'r', result
    n = n + 2
  end
  if more > 0 or before == 119 then
    list[n + 1], list[n + 2] = kin_fields[k] or id .. 'k', kin_of(kin, kept + more, 114)
  end
  n = #indexed
  indexed[n + 1], indexed[n + 2] = '0', 'E' .. place .. sub(head, 9) .. '\\0' .. sub(head, 3, 8) .. now6 .. id
  indexed[n + 3], indexed[n + 4] = '0', 'B' .. place .. id
  local lane = sub(record, 4, 5)
  ended_of_lane[lane] = (ended_of_lane[lane] or 0) + 1
  return 'a'
end
local letters, first = {}, 6
for k = 1, count do
  local id, run = ids[k], runs[k]
  -- By its id it need not come behind those before it, nor those before the next.
  if kinds[k] == 100 then remove_rows() end
  if not run or find(run, claim, 10, true) ~= 10
    or (sub(run, claim_end + 1) ~= numbers[k] and not (limited == 1 and is_of(run, claim .. numbers[k]))) then
    letters[k] = (run or call('HEXISTS', shard_of(id), id) == 1) and 's' or 'g'
  elseif kinds[k] == 100 or kinds[k] == 68 then letters[k] = end_run(k, id, byte(run, 1), kins[k])
  elseif kinds[k] == 109 then letters[k] = keep_end(k, id, byte(run, 1), kins[k], records[k], first)
  else letters[k] = go_on(k, id, run, byte(run, 1), kins[k], first) end
  first = first + texts[k] + (kinds[k] == 109 and 3 or 0)
end
remove_rows()
in_parts('ZADD', RUNS, rows)
in_parts('HSET', RUNNING, entries)
for burst, fields in pairs(write_of) do in_parts('HSET', shard_of(fields[1]), fields) end
in_parts('ZREM', INDEX, waiting_no_more)
in_parts('ZADD', INDEX, waiting)
in_parts('ZADD', INDEX, indexed)
for lane, more in pairs(ended_of_lane) do call('HINCRBY', META, 'e' .. lane, more) end
in_parts('HDEL', RUNNING, ended)
for burst, fields in pairs(drop_of) do in_parts('HDEL', shard_of(fields[1]), fields) end
for n = 1, #heavy, 2 do purge(heavy[n], heavy[n + 1], shard_of(heavy[n])) end
local said = table.concat(letters)
remember(nonce, said, arrived)
return { now, followed, said, limited }
`;

export const TAKE_PLAIN_WORDS: Script = script(
  "words",
  "settle",
  PRELUDE,
  WRITING,
  ROWS,
  RECORDS,
  BODY,
);
