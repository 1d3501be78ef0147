// Workflow runs: what they are told, and how far they are.
import { LIMITS } from "./gates.ts";
import { ROWS } from "./rows.ts";
import { KEEP_ENDINGS, MOVE, MOVE_ARGUMENTS } from "./move.ts";
import { LANES, LINES, PRELUDE, RECORDS, type Script, TELLING, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/*
 * The records of all runs of a room are one sorted set, all with score 0: of a run with the id ID its texts, "ID e" and
 * their number (4 bytes, from 0) and the text; and what it was told, "ID f", the key (16 bytes), e or s (a child ended,
 * a signal) and the text. What the owner of a run was told of by others, and has not said to have heard, is there
 * too: byte 255, the worker, a zero byte, the run and the key.
 */

/** Tells runs something. */
const TELL = `
local by = ARGV[3]
local news = {}
local function tell_advanced(id, lane, state)
  if followed == 0 then return end
  local parts = cjson.decode(string.match(call('HGET', META, 'l' .. lane), '%[.*'))
  local queue = string.match(META, '|([^|]*)|[^|]*}m$')
  tell(id_text(id) .. '"type":' .. cjson.encode(parts[1]) .. ',"queue":' .. cjson.encode(queue)
    .. ',"kind":"advanced","state":"' .. state .. '"}')
end
local function make_ready(id, record, key)
  leave_place(id, record, key)
  local lane = sub(record, 4, 5)
  local head = 'T' .. sub(record, 2, 2) .. string.char((byte(record, 3) + 1) % 256)
  call('HSET', key, id, head .. lane .. sub(record, 6, 11) .. now6 .. sub(record, 18))
  call('ZADD', TIMED, 0, lane .. now6 .. id)
  call('ZADD', INDEX, 0, 'Bt' .. id)
  woken[lane] = (woken[lane] or 0) + 1
end
local ENDED = { S = 'S', F = 'F', C = 'C' }
-- What is known of runs: read of all of them together, and written together in the end, where nothing is moved before.
local looked_at = {}
local function read_all(key, fields, found, name)
  for first = 1, #fields, 2000 do
    for k, value in ipairs(call('HMGET', key, unpack(fields, first, math.min(first + 1999, #fields)))) do
      if value then found[first + k - 1][name] = value end
    end
  end
end
-- What runs has a record, which may be long: it is read where it is asked for.
local function look_at_all(ids)
  local by_shard = {}
  for first = 1, #ids, 1000 do
    local last = math.min(first + 999, #ids)
    for k, run in ipairs(call('HMGET', RUNNING, unpack(ids, first, last))) do
      local id = ids[first + k - 1]
      local key = shard_of(id)
      local found = { key = key, run = run, record = false, kin = NO_KIN, told = false }
      looked_at[id] = found
      local shard = by_shard[key]
      if not shard then shard = { n = 0, kins = {}, found = {}, waiting = {}, waiting_found = {} } by_shard[key] = shard end
      local n = shard.n + 1
      shard.n, shard.kins[n], shard.found[n] = n, id .. 'k', found
      if not run then
        local m = #shard.waiting + 1
        shard.waiting[m], shard.waiting_found[m] = id, found
      end
    end
  end
  for key, shard in pairs(by_shard) do
    read_all(key, shard.kins, shard.found, 'kin')
    read_all(key, shard.waiting, shard.waiting_found, 'record')
  end
end
local function look_at(id)
  look_at_all({ id })
  return looked_at[id]
end
local function with_record(id, found)
  if not found.record then found.record = call('HGET', found.key, id) end
  return found
end
local later = {}
local function write_later(key, field, value)
  local fields = later[key]
  if not fields then fields = {} later[key] = fields end
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end
local rows, row_count, waiting, waiting_no_more = {}, 0, {}, {}
local removed, removed_of = {}, {}
local function write_now()
  for key, fields in pairs(later) do in_parts('HSET', key, fields) end
  in_parts('ZADD', RUNS, rows)
  in_parts('ZREM', INDEX, waiting_no_more)
  in_parts('ZADD', INDEX, waiting)
  in_parts('HDEL', RUNNING, removed)
  for key, fields in pairs(removed_of) do in_parts('HDEL', key, fields) end
  later, rows, row_count, waiting, waiting_no_more, removed, removed_of = {}, {}, 0, {}, {}, {}, {}
end
-- A score that is a text: Lua would print a number.
local function put_row(row)
  rows[row_count + 1], rows[row_count + 2] = '0', row
  row_count = row_count + 2
end
-- The last fact that each run was told in this call is not written before it is known that the run goes on.
local told_here = {}
local function put_told(found)
  if not found.told then return end
  put_row(found.told)
  found.told = false
end
local told_rows = {}
local function is_known(row)
  local start = sub(row, 1, 33)
  if told_rows[start] then return true end
  told_rows[start] = true
  return call('ZRANGEBYLEX', RUNS, '[' .. start, '[' .. start .. '\\255', 'LIMIT', '0', '1')[1] ~= nil
end
-- Row: see above. is_first: that it was told it before can't be.
-- A letter: g gone, S F C it has ended, u running, w waiting, r ready, s scheduled.
local function tell_run(id, row, is_first)
  local found = looked_at[id] or look_at(id)
  local key, record, kin, run = found.key, found.record, found.kin, found.run
  if not run and not record then return 'g' end
  local state
  if run then state = sub(kin, 21) == 'w' and 'w' or 'u'
  else
    local place = sub(record, 1, 1)
    if ENDED[place] then return place end
    if place == 'P' then state = 'w'
    else state = place == 'T' and due_of(record) > now and 's' or 'r' end
  end
  if not is_first and is_known(row) then return state end
  if found.told then put_row(found.told) else told_here[#told_here + 1] = found end
  found.told = row
  if sub(kin, 21) == '-' then
    found.kin = sub(kin, 1, 20) .. 't'
    write_later(key, id .. 'k', found.kin)
  end
  local lane
  if run then
    lane = sub(run, 2, 3)
    if not has(byte(run, 1), KIN) then
      found.run = string.char(byte(run, 1) + KIN) .. sub(run, 2)
      write_later(RUNNING, id, found.run)
    end
    if by == '' or find(run, by, 10, true) ~= 10 or byte(run, 10 + #by) ~= 0 then
      local owner, fact = string.match(run, '^([^%z]*)', 10), sub(row, 18, 33)
      put_row('\\255' .. owner .. '\\0' .. id .. fact)
      local of_owner = news[owner] or {}
      news[owner] = of_owner
      of_owner[#of_owner + 1] = id .. fact .. sub(row, 34, 34) .. pack('>I4', #row - 34) .. sub(row, 35)
    end
  else
    lane = sub(record, 4, 5)
    if not has(byte(record, 2), KIN) then
      record = sub(record, 1, 1) .. string.char(byte(record, 2) + KIN) .. sub(record, 3)
      write_later(key, id, record)
      found.record = record
    end
    if (state == 'w' or state == 's') and sub(kin, 17, 20) ~= '\\0\\0\\0\\0' then
      put_told(found)
      write_now()
      make_ready(id, record, key)
      state = 'r'
      looked_at[id] = nil
    end
  end
  tell_advanced(id, lane, run and (state == 'w' and 'waiting' or 'running') or (state == 's' and 'scheduled' or 'ready'))
  return state
end
local function publish_news()
  for owner, of_owner in pairs(news) do
    call('PUBLISH', 'mr1|w|' .. owner, 'f' .. META .. '\\0' .. table.concat(of_owner))
  end
end
`;

/** Keeps what owners say of their runs. */
const ADVANCE = `
local NO_MATTER = 4294967295
local IS_LAST = { m = true, d = true }
local function put_entries(first, count)
  for k = first, first + count - 1 do put_row(ARGV[k]) end
end
-- The move of a run that ends, and of which nothing is kept.
local function write_removal(id, guard, events, ending)
  local at = #ARGV + 1
  for n = 0, ${MOVE_ARGUMENTS - 1} do ARGV[at + n] = '' end
  ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 10], ARGV[at + 16] = id, guard, 'G', '0', events, ending
  return at
end
-- A run that has begun does not expire.
local function forget_expiry(id, flags)
  if not has(flags, EXPIRES) then return flags end
  call('ZREM', TIMERS, 'x' .. id)
  return flags - EXPIRES
end
local function set_flags(id, found, flags)
  if flags == byte(found.run, 1) then return end
  found.run = string.char(flags) .. sub(found.run, 2)
  write_later(RUNNING, id, found.run)
end
local function set_kin(id, found, kin)
  found.kin = kin
  write_later(found.key, id .. 'k', kin)
end
local function go_on(id, guard, from, next_state, is_refused, first, count)
  local found = looked_at[id] or look_at(id)
  local run = found.run
  if not run or not is_of(run, sub(guard, 2)) then return (run or found.record) and 's' or 'g' end
  local kin = found.kin
  local kept = struct.unpack('>I4', kin, 17)
  if count > 0 and kept == from + count then return 'k' end
  if kept ~= from then return 's' end
  if is_refused then return 'f' end
  put_entries(first, count)
  local before = sub(kin, 21)
  if next_state == 'w' and before ~= 'w' then
    waiting[#waiting + 1] = '0'
    waiting[#waiting + 1] = 'Bw' .. id
  elseif next_state ~= 'w' and before == 'w' then waiting_no_more[#waiting_no_more + 1] = 'Bw' .. id end
  local flags = forget_expiry(id, byte(run, 1))
  if not has(flags, KIN) then flags = flags + KIN end
  set_flags(id, found, flags)
  set_kin(id, found, sub(kin, 1, 16) .. pack('>I4', kept + count) .. next_state)
  tell_advanced(id, sub(run, 2, 3), next_state == 'w' and 'waiting' or 'running')
  return 'a'
end
local function remove_run(id, found)
  local state = sub(found.kin, 21)
  if state == 'w' then waiting_no_more[#waiting_no_more + 1] = 'Bw' .. id end
  found.told = false
  -- One that neither spoke nor was told anything has no rows.
  if state ~= '-' then call('ZREMRANGEBYLEX', RUNS, '[' .. id .. 'e', '(' .. id .. 'g') end
  removed[#removed + 1] = id
  local fields = removed_of[found.key]
  if not fields then fields = {} removed_of[found.key] = fields end
  fields[#fields + 1] = id
  fields[#fields + 1] = id .. 'k'
end
local function last_word(id, guard, from, known, is_refused, first, count, is_removed, at)
  local found = looked_at[id] or look_at(id)
  local run = found.run
  if byte(guard, 1) ~= 115 then with_record(id, found) end
  local refused = refusal(guard, found.record or run, run)
  if refused then return refused end
  local kin = found.kin
  local kept = struct.unpack('>I4', kin, 17)
  -- Who gives a run back without a word need not know how far it was.
  if from ~= NO_MATTER and kept ~= from then return 's' end
  if is_refused then return 'f' end
  looked_at[id] = nil
  local instead = {}
  if known ~= NO_MATTER and found.told then
    put_told(found)
    write_now()
  end
  if known ~= NO_MATTER and call('ZLEXCOUNT', RUNS, '[' .. id .. 'f', '(' .. id .. 'g') > known then
    -- It was told something that its owner has not heard of.
    instead = { place = 'T', due = '+0' }
  end
  local flags = forget_expiry(id, byte(run, 1))
  if is_removed and not instead.place and flags == KIN and not limits and count == 0 then
    -- The usual end: nothing is kept of it but its record.
    remove_run(id, found)
    tell(ARGV[at])
    if ARGV[at + 1] ~= '' then note_ending(ARGV[at + 1]) end
    return 'a'
  end
  if not with_record(id, found).record then return 'g' end
  put_told(found)
  if count > 0 then
    put_entries(first, count)
    if not has(flags, KIN) then flags = flags + KIN end
    set_kin(id, found, sub(kin, 1, 16) .. pack('>I4', kept + count) .. (sub(kin, 21) == 'w' and 'w' or 'r'))
  end
  set_flags(id, found, flags)
  if later[found.key] or later[RUNNING] or rows[1] then write_now() end
  return move(is_removed and write_removal(id, guard, ARGV[at], ARGV[at + 1]) or at, instead, found)
end
`;

/*
 * keys: the room's.
 * arguments: nonce, nonces of replies that arrived, worker that tells, number of facts, of advances, of targets.
 *   Each fact: run, key, e or s, text ("\\1ms\\2" in it stands for the time that many ms from now).
 *   Each advance: run, guard (move.ts), in one text r, w (it goes on running, or waiting), m (a move, its last word) or
 *   d (its last word, and nothing is kept of it), 1 if it is refused by what it stands on, texts that the record had (4
 *   bytes each from here on; 2^32 - 1: no matter), facts that the owner knows (the same), number of texts, of parts;
 *   then the texts, as rows of the record; the parts, each: number of the target (from 1) and part; for m: the move; for
 *   d: events, and what the run that made it is told (argument 17 in move.ts).
 *   A target is an entry of the outbox: jobs of children, or of those to be cancelled; each: c or k.
 * reply: [server time, 1 if somebody follows, letters of the facts (see above), then of the advances: a accepted, k kept
 *   before, s stale, g gone, c changed: read and try again, f refused].
 * cost: a fact 1 command, a last word 1 or about 10, about 6 and 4 a shard in all; 1 a target.
 */
const BODY = `
local nonce, arrived = ARGV[1], ARGV[2]
local fact_count, advance_count, target_count = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce, 'G')
open_room(meta[1])
if meta[4] then open_limits(meta[4]) end
followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
if meta[3] then return { struct.unpack('>I6', meta[3]), followed, say_again(nonce, meta[3]) } end
local letters, runs, is_named = {}, {}, {}
local places, kinds, froms, knowns, text_counts, part_counts = {}, {}, {}, {}, {}, {}
local function name(run)
  if is_named[run] then return end
  is_named[run] = true
  runs[#runs + 1] = run
end
local facts_at, targets_at = 7, 7 + 4 * fact_count
local at = targets_at + target_count
for k = 1, advance_count do
  places[k] = at
  name(ARGV[at])
  local kind, refusal, from, known, texts, parts = struct.unpack('>c1c1I4I4I4I4', ARGV[at + 2])
  kinds[k], froms[k], knowns[k], text_counts[k], part_counts[k] = kind, from, known, texts, parts
  if refusal == '1' then refused[k] = true end
  at = at + 3 + texts + 2 * parts + (kind == 'm' and ${MOVE_ARGUMENTS} or kind == 'd' and 2 or 0)
end
for k = 1, fact_count do name(ARGV[facts_at + 4 * (k - 1)]) end
local told_to = {}
for k = 1, #ended_here, 2 do
  told_to[k] = sub(ended_here[k], 1, 16)
  name(told_to[k])
end
look_at_all(runs)
for k = 1, fact_count do
  at = facts_at + 4 * (k - 1)
  letters[k] = tell_run(ARGV[at], ARGV[at] .. 'f' .. ARGV[at + 1] .. ARGV[at + 2] .. stamp(ARGV[at + 3]))
end
-- What ended in the same act: its row, and whether it can't have ended before.
for k = 1, #ended_here, 2 do tell_run(told_to[k], ended_here[k], ended_here[k + 1]) end
local targets = {}
for k = 1, target_count do targets[k] = { kind = ARGV[targets_at + k - 1] } end
local function take_word(k)
  local at, kind, count, part_count = places[k], kinds[k], text_counts[k], part_counts[k]
  local id, guard, first = ARGV[at], ARGV[at + 1], at + 3
  local parts_at = first + count
  local letter
  if IS_LAST[kind] then
    letter = last_word(id, guard, froms[k], knowns[k], refused[k], first, count, kind == 'd', parts_at + 2 * part_count)
  else letter = go_on(id, guard, froms[k], kind, refused[k], first, count) end
  letters[fact_count + k] = letter
  if letter == 'a' or letter == 'k' then
    for part = 1, part_count do
      local target = targets[tonumber(ARGV[parts_at + 2 * part - 2])]
      target[#target + 1] = ARGV[parts_at + 2 * part - 1]
    end
  end
end
-- Those that go on first: what is written of them is written together.
for k = 1, advance_count do if not IS_LAST[kinds[k]] then take_word(k) end end
write_now()
for k = 1, advance_count do if IS_LAST[kinds[k]] then take_word(k) end end
for _, found in ipairs(told_here) do put_told(found) end
write_now()
for k, target in ipairs(targets) do
  if target[1] then call('HSET', OUTBOX, target.kind .. nonce .. string.char(k), now6 .. '[' .. table.concat(target, ',') .. ']') end
end
keep_endings()
if followed == 0 then told = {} end
publish_told()
publish_news()
if limits then limits.save() end
wake_moved()
if limits then limits.wake_freed() end
remember(nonce, table.concat(letters), arrived)
return { now, followed, table.concat(letters) }
`;

/** Speaking, after what names the ends that stand in no outbox, and words that are refused. */
export function speakParts(endedHere: string): readonly string[] {
  const moving = [ROWS, LIMITS, LANES, RECORDS, LINES, MOVE, KEEP_ENDINGS];
  const telling = ["local followed = 0", TELL, ADVANCE, BODY];
  return [PRELUDE, WRITING, TELLING, WAKING, ...moving, endedHere, ...telling];
}

export const SPEAK: Script = script(
  "speak",
  "settle",
  ...speakParts("local ended_here, refused = {}, {}"),
);
