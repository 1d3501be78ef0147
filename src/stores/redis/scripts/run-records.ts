// Reads the records of workflow runs, and clears away what was delivered and heard.
import { PRELUDE, type Script, WRITING, script } from "./script.ts";

/** Most bytes of one page of a record: beyond it the rest comes with the next. */
const PAGE_BYTES = 4 * 1_024 * 1_024;
/** Rows read at a time, so that a page of large ones is not read far beyond its bound. */
const ROWS = 20;

/*
 * keys: the room's. arguments: run, texts known, key of the last fact known or "", most rows.
 * reply: [] where it is not kept; else [extras, 1 if there may be more, number of texts, texts, then key, e or s and text
 *   of each fact]. cost: a command in 20 rows.
 */
const READ = `
local id, known, after, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local got = call('HMGET', shard_of(id), id, id .. 'x')
if not got[1] then return {} end
local reply = { got[2] or '', 0, 0 }
local left, bytes = limit, ${PAGE_BYTES}
local function read(from, to, add)
  while left > 0 and bytes > 0 do
    local rows = call('ZRANGEBYLEX', RUNS, from, to, 'LIMIT', 0, math.min(left, ${ROWS}))
    for _, row in ipairs(rows) do
      if bytes > 0 then
        add(row)
        left, bytes, from = left - 1, bytes - #row, '(' .. row
      end
    end
    if #rows < ${ROWS} then return end
  end
end
read('[' .. id .. 'e' .. pack('>I4', known), '(' .. id .. 'f', function(row)
  reply[3] = reply[3] + 1
  reply[#reply + 1] = sub(row, 22)
end)
read(after == '' and '[' .. id .. 'f' or '(' .. id .. 'f' .. after .. '\\255', '(' .. id .. 'g', function(row)
  reply[#reply + 1] = sub(row, 18, 33)
  reply[#reply + 1] = sub(row, 34, 34)
  reply[#reply + 1] = sub(row, 35)
end)
if left == 0 or bytes <= 0 then reply[2] = 1 end
return reply
`;

/*
 * keys: the room's. arguments: worker, most. reply: run, key, e or s and text of each fact that it has not heard of.
 * cost: 1 command and 1 a fact.
 */
const UNHEARD = `
local prefix = '\\255' .. ARGV[1] .. '\\0'
local reply = {}
for _, row in ipairs(call('ZRANGEBYLEX', RUNS, '[' .. prefix, '(\\255' .. ARGV[1] .. '\\1', 'LIMIT', 0, tonumber(ARGV[2]))) do
  local run, fact = sub(row, #prefix + 1, #prefix + 16), sub(row, #prefix + 17)
  local told = run .. 'f' .. fact
  local found = call('ZRANGEBYLEX', RUNS, '[' .. told, '[' .. told .. '\\255', 'LIMIT', 0, 1)[1] or ''
  reply[#reply + 1] = run
  reply[#reply + 1] = fact
  reply[#reply + 1] = sub(found, 34, 34)
  reply[#reply + 1] = sub(found, 35)
end
return reply
`;

/*
 * keys: the room's. arguments: number of entries, fields of entries of the outbox that arrived; worker, run and key of
 *   what it has heard of, together. reply: [1]. cost: 2 commands.
 */
const FORGET = `
open_room(call('HGET', META, 'v'))
local count = tonumber(ARGV[1])
if count > 0 then call('HDEL', OUTBOX, unpack(ARGV, 2, 1 + count)) end
if ARGV[2 + count] then call('ZREM', RUNS, unpack(ARGV, 2 + count)) end
return { 1 }
`;

/** Entries looked at in one call. */
const SCANNED = 200;

/*
 * keys: the room's. arguments: ms after which an entry is taken to be left behind, most entries.
 * reply: field and text of each entry that was left behind. It counts as new from now on, so that one process alone
 *   delivers it. cost: a command or two, 1 an entry.
 */
const TAKE = `
open_room(call('HGET', META, 'v'))
local late, limit = now - tonumber(ARGV[1]), tonumber(ARGV[2])
local step = call('HSCAN', OUTBOX, call('HGET', META, 'u') or '0', 'COUNT', ${SCANNED})
call('HSET', META, 'u', step[1])
local reply = {}
for k = 1, #step[2], 2 do
  local field, value = step[2][k], step[2][k + 1]
  if field ~= '' and (struct.unpack('>I6', value)) <= late and #reply < 2 * limit then
    call('HSET', OUTBOX, field, now6 .. sub(value, 7))
    reply[#reply + 1] = field
    reply[#reply + 1] = sub(value, 7)
  end
end
return reply
`;

/*
 * keys: the room's. arguments: run and child, one after the other.
 * reply: a text of 1 (the run goes on, and was not told of the child's end: it has need of it) and 0.
 * cost: 2 commands a child, and 2 a run.
 */
const NEEDED = `
local goes_on = {}
local function look_at(run)
  if call('HEXISTS', RUNNING, run) == 1 then return true end
  local record = call('HGET', shard_of(run), run)
  return record and not find('SFC', sub(record, 1, 1), 1, true)
end
local needed = {}
for at = 1, #ARGV, 2 do
  local run, row = ARGV[at], ARGV[at] .. 'f' .. ARGV[at + 1]
  if goes_on[run] == nil then goes_on[run] = look_at(run) end
  local is_told = call('ZRANGEBYLEX', RUNS, '[' .. row, '[' .. row .. '\\255', 'LIMIT', 0, 1)[1]
  needed[#needed + 1] = goes_on[run] and not is_told and '1' or '0'
end
return { table.concat(needed) }
`;

/*
 * keys: the room's. arguments: children.
 * reply: a text of 1 (it is kept, or its end still stands in the outbox) and 0. cost: 2 commands a child.
 */
const KEPT = `
local kept = {}
for at, child in ipairs(ARGV) do
  local is_here = call('HEXISTS', shard_of(child), child) == 1 or call('HEXISTS', OUTBOX, 'f' .. child) == 1
  kept[at] = is_here and '1' or '0'
end
return { table.concat(kept) }
`;

export const READ_RUN: Script = script("run", "read", PRELUDE, READ);
export const READ_UNHEARD: Script = script("unheard", "read", PRELUDE, UNHEARD);
export const FORGET_DELIVERED: Script = script("forget", "settle", PRELUDE, WRITING, FORGET);
export const TAKE_LEFT_BEHIND: Script = script("take", "settle", PRELUDE, WRITING, TAKE);
export const NEEDED_CHILDREN: Script = script("needed", "read", PRELUDE, NEEDED);
export const KEPT_CHILDREN: Script = script("kept", "read", PRELUDE, KEPT);
