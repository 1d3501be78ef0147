// Rows in Lua: of each group of jobs with the same keys, its turn, where it is parked, and the jobs that come first.

/** Bytes of a job in a row: when it was due (6), its id (16). */
export const JOB_BYTES = 22;
/** Bytes of a row before its jobs, where it is not parked. */
export const ROW_HEAD_BYTES = 8;
/**
 * Jobs that a row holds; those behind them wait in the sorted set. A row is written anew whenever one of its jobs starts,
 * so a long one costs the server, its replicas and its log; a short one is filled up more often.
 */
const HELD = 8;
/** Jobs read at most to fill a row up, beside those that it holds. */
const MAX_READ_AHEAD = 100;

/*
 * A row is the field `r`, lane and keys, of the hash of gates: `turn (6) flags (1) gate \0 jobs`. Flags are 1 where jobs
 * of the group wait in the sorted set `k`, all of which come after those in the row, and 2 where its keys are several; the
 * gate is "" for a group that is in the ring. Jobs are `due id`, the first of them last: to take it off, one text is made.
 *
 * A look for each group's first job in a sorted set of all, and its removal there, were the dearest of what a job with
 * keys cost. In a row it comes with what is read of the group in any case, and takes 22 bytes in place of some 150. Beside
 * that the keys of a job that runs stand in its running entry: from claim to settlement 10,000 keys took the server 14.9 us
 * a job in place of 18.8 (averages of five runs of 60,000 jobs each, in turn).
 *
 * `w`, and `w` and a lane: how many jobs are in rows, of all lanes and of one.
 */

/** What reads a row that was written, for scripts that write none. */
export const ROW_READING: string = `
-- Where the jobs of a row begin. One that an older program wrote has none: they all wait in the sorted set.
local function jobs_from(text)
  local flags = byte(text, 7)
  if not flags or flags > 3 then return #text + 1 end
  return find(text, '\\0', 8, true) + 1
end
local function has_more(text) return (byte(text, 7) or 1) % 2 == 1 or byte(text, 7) > 3 end
local function gate_of_row(text)
  local flags = byte(text, 7)
  if not flags then return '' end
  if flags > 3 then return sub(text, 7) end
  return sub(text, 8, find(text, '\\0', 8, true) - 1)
end
-- Jobs of a group before one.
local function count_before(name, text, job)
  local count = 0
  for at = #text - ${JOB_BYTES - 1}, jobs_from(text), -${JOB_BYTES} do
    if not precedes(sub(text, at, at + ${JOB_BYTES - 1}), job) then return count end
    count = count + 1
  end
  if not has_more(text) then return count end
  return count + call('ZLEXCOUNT', KEYED, '[' .. name .. '\\0', '(' .. name .. '\\0' .. job)
end
`;

/** For scripts that change rows: `open_rows` makes `rows`. */
export const ROWS: string = `
local rows
-- Whether keys, which begin at a byte of a text, are of more than one gate.
local function are_several(text, from) return find(text, '\\1', find(text, '\\1', from, true) + 1, true) ~= nil end
local function open_rows()
${ROW_READING}
  -- By lane and keys: what was read (false: there is none), and what is to be written. What is to wait in the sorted set.
  local known, dirty, behind = {}, {}, {}
  -- Of its jobs so many bytes count: those that were taken off are beyond them. Beside it, how many were in it when it was
  -- read or written last. All fields at once, and no more than eight: a table of nine takes twice the room.
  local function remember_row(name, turn, has_more, is_several, gate, jobs, bytes)
    local row = { name = name, turn = turn, has_more = has_more, is_several = is_several, gate = gate, jobs = jobs,
      bytes = bytes, written = bytes }
    known[name] = row
    return row
  end
  local function note(name, text)
    if not text then
      known[name] = false
      return false
    end
    local flags, at_gate = byte(text, 7, 8)
    if at_gate == 0 and flags <= 3 then
      return remember_row(name, sub(text, 1, 6), flags % 2 == 1, flags > 1, '', sub(text, 9), #text - 8)
    end
    local from = jobs_from(text)
    return remember_row(name, sub(text, 1, 6), has_more(text), are_several(name, 3), gate_of_row(text), sub(text, from), #text - from + 1)
  end
  local function load(names)
    local fields, asked, n = {}, {}, 0
    for k = 1, #names do
      local name = names[k]
      if known[name] == nil then
        known[name] = false
        n = n + 1
        asked[n], fields[n] = name, 'r' .. name
      end
    end
    local texts = read_fields(GATES, fields)
    for k = 1, n do note(asked[k], texts[k]) end
  end
  local function row_at(name)
    local row = known[name]
    if row == nil then return note(name, call('HGET', GATES, 'r' .. name)) end
    return row
  end
  local function change(row) dirty[row.name] = row end
  local function make(name)
    local row = remember_row(name, '', false, are_several(name, 3), '', '', 0)
    change(row)
    return row
  end
  local function trim(row)
    if #row.jobs > row.bytes then row.jobs = sub(row.jobs, 1, row.bytes) end
  end
  local function set_jobs(row, jobs)
    row.jobs, row.bytes = jobs, #jobs
    change(row)
  end
  local function leave_behind(row, job)
    behind[#behind + 1], behind[#behind + 2] = '0', row.name .. '\\0' .. job
    if not row.has_more then
      row.has_more = true
      change(row)
    end
  end
  local function add(row, job)
    trim(row)
    local jobs, bytes = row.jobs, row.bytes
    if bytes == 0 or precedes(sub(jobs, 1, ${JOB_BYTES}), job) then
      if row.has_more or bytes >= ${HELD * JOB_BYTES} then return leave_behind(row, job) end
      return set_jobs(row, bytes == 0 and job or job .. jobs)
    end
    local at = ${JOB_BYTES + 1}
    while at <= bytes and precedes(job, sub(jobs, at, at + ${JOB_BYTES - 1})) do at = at + ${JOB_BYTES} end
    jobs = sub(jobs, 1, at - 1) .. job .. sub(jobs, at)
    if #jobs > ${HELD * JOB_BYTES} then
      leave_behind(row, sub(jobs, 1, ${JOB_BYTES}))
      jobs = sub(jobs, ${JOB_BYTES + 1})
    end
    set_jobs(row, jobs)
  end
  -- What is to be put in a row whose last job was taken, and whether there is more: so many are wanted soon.
  local function read_behind(name, wanted)
    local most = ${HELD} + math.min(wanted, ${MAX_READ_AHEAD})
    local members = call('ZRANGEBYLEX', KEYED, '[' .. name .. '\\0', '(' .. name .. '\\1', 'LIMIT', 0, most)
    local jobs, n = {}, #members
    for k = 1, n do jobs[n + 1 - k] = sub(members[k], -${JOB_BYTES}) end
    return table.concat(jobs), n == most, members
  end
  -- The first job of a row; nil: the group has none. wanted: so many may be taken in this call.
  local function first(row, wanted)
    if row.bytes == 0 and row.has_more then
      local jobs, has_more, members = read_behind(row.name, wanted)
      if members[1] then call('ZREM', KEYED, unpack(members)) end
      row.has_more = has_more
      set_jobs(row, jobs)
    end
    local bytes = row.bytes
    if bytes > 0 then return sub(row.jobs, bytes - ${JOB_BYTES - 1}, bytes) end
  end
  local function take_off(row)
    row.bytes = row.bytes - ${JOB_BYTES}
    change(row)
  end
  -- The group is done: its row goes.
  local function drop(row)
    row.jobs, row.bytes, row.turn = '', 0, false
    change(row)
  end
  local function add_counts(counts)
    local all = 0
    for lane, more in pairs(counts) do
      if more ~= 0 then
        call('HINCRBY', GATES, 'w' .. lane, more)
        all = all + more
      end
    end
    if all ~= 0 then call('HINCRBY', GATES, 'w', all) end
  end
  -- What stands between a turn and the jobs of a row that is not parked, by its flags.
  local HEADS = { [0] = '\\0\\0', '\\1\\0', '\\2\\0', '\\3\\0' }
  local function save()
    local write, gone, counts, n = {}, {}, {}, 0
    for name, row in pairs(dirty) do
      local more = row.bytes - row.written
      if more ~= 0 then
        local lane = sub(name, 1, 2)
        counts[lane], row.written = (counts[lane] or 0) + more / ${JOB_BYTES}, row.bytes
      end
      if not row.turn then
        gone[#gone + 1] = 'r' .. name
        known[name] = false
      else
        trim(row)
        local head = HEADS[(row.has_more and 1 or 0) + (row.is_several and 2 or 0)]
        if row.gate ~= '' then head = sub(head, 1, 1) .. row.gate .. '\\0' end
        write[n + 1], write[n + 2] = 'r' .. name, row.turn .. head .. row.jobs
        n = n + 2
      end
    end
    in_parts('ZADD', KEYED, behind)
    in_parts('HSET', GATES, write)
    in_parts('HDEL', GATES, gone)
    add_counts(counts)
    dirty, behind = {}, {}
  end
  -- Whoever reads and writes rows by himself from now on.
  local function forget()
    save()
    known = {}
  end
  -- Takes a job out, wherever it waits. Gives back whether it was there.
  local function remove(name, job)
    local row = row_at(name)
    if row then
      trim(row)
      for at = 1, row.bytes, ${JOB_BYTES} do
        if sub(row.jobs, at, at + ${JOB_BYTES - 1}) == job then
          set_jobs(row, sub(row.jobs, 1, at - 1) .. sub(row.jobs, at + ${JOB_BYTES}))
          save()
          return true
        end
      end
    end
    return call('ZREM', KEYED, name .. '\\0' .. job) == 1
  end
  rows = { load = load, row_at = row_at, make = make, change = change, drop = drop, add = add, first = first,
    take_off = take_off, read_behind = read_behind, add_counts = add_counts, save = save, forget = forget, remove = remove }
end
`;
