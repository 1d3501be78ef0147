// Moves one job to where a decision puts it: the part that settling, cancelling, retrying and sweeping share.

/** Number of arguments of a move. */
export const MOVE_ARGUMENTS = 18;

/*
 * A move's arguments, all of them decided by the pure transitions of core:
 *   1 id
 *   2 guard: "s" and the claim (worker, zero byte, token) that must stand; or "g", the 17 bytes of the record's head
 *     and the running entry (none: empty) that must not have changed
 *   3 place: T waiting by time, P a run put out of memory until it is told something, S succeeded, F failed,
 *     C cancelled, G gone, = as it is (still running)
 *   4 flags: EXTRAS, TAGS, EXPIRES, RESULT
 *   5 field of another lane, or ""
 *   6 due: "+ms" from now, a time, or "" for as it was
 *   7 another input after "=", or "" for as it was
 *   8 extras ("\\1ms\\2" in it stands for the time that many ms from now)
 *   9 result, or ""
 *  10 progress: "" as it is, "-" none, "=" and the text
 *  11 events, or ""
 *  12 time of expiry ("+ms" from now, or a time), or ""
 *  13 ms until an unanswered cancel request is overdue, or ""
 *  14 worker that is told of a cancel request, or ""
 *  15 reason of it
 *  16 log lines, a JSON list of texts, or ""
 *  17 what the run that made it is told of its end: 1 where it can't have ended before, else 0, the row (runs.ts), in
 *     whose text "\\1ms\\2" stands for a time as above; or ""
 *  18 ms for which its handler pushed back, space, the gate that is shut; or ""
 * result: a letter: a moved, s stale, g gone, c changed meanwhile.
 */
export const MOVE = `
local function stamp(text)
  return (string.gsub(text, '\\1(%-?%d+)\\2', function(ms) return string.format('%d', now + ms) end))
end
local now_text = string.format('%d', now)
local woken = {}
-- Ends of jobs that workflow runs made: kept until they are told where the run is. Each as the row that the run's
-- record will have, and whether the job can't have ended before.
local endings, ending_count = {}, 0
local function note_ending(ending)
  -- What is before the text are ids, in which any bytes may be.
  local from = find(ending, '\\1', 36, true)
  local to = from and find(ending, '\\2', from, true)
  local row
  if not to then row = sub(ending, 2)
  else
    local ms = sub(ending, from + 1, to - 1)
    row = sub(ending, 2, from - 1) .. (ms == '0' and now_text or string.format('%d', now + ms)) .. sub(ending, to + 1)
  end
  endings[ending_count + 1], endings[ending_count + 2] = row, byte(ending, 1) == 49
  ending_count = ending_count + 2
end
-- A workflow run leaves its owner.
local function leave_owner(id, key)
  local kin = call('HGET', key, id .. 'k')
  if sub(kin, 21) ~= 'w' then return end
  call('ZREM', INDEX, 'Bw' .. id)
  call('HSET', key, id .. 'k', sub(kin, 1, 20) .. 'r')
end
local quiet_about_later = false
-- Why a move may not be made, if so.
local function refusal(guard, record, run)
  if not record then return 'g' end
  if sub(guard, 1, 1) == 's' then
    if not run or not is_of(run, sub(guard, 2)) then return 's' end
    if has(byte(run, 1), CANCEL) then return 'c' end
  elseif sub(record, 1, 17) .. (run or '') ~= sub(guard, 2) then return 'c' end
end
-- instead: place and due in place of those given, for a move that was allowed before, of a job as it was found then.
local function move(at, instead, found)
  local id, place, flags = ARGV[at], ARGV[at + 2], tonumber(ARGV[at + 3])
  local key = shard_of(id)
  local record = found and found.record or call('HGET', key, id)
  local run = found and found.run
  if not found then run = call('HGET', RUNNING, id) end
  local refused = not instead and refusal(ARGV[at + 1], record, run)
  if refused then return refused end
  if instead and instead.place then place = instead.place end

  local old = run and byte(run, 1) or byte(record, 2)
  if place == '=' then
    call('HSET', key, id .. 'x', stamp(ARGV[at + 7]))
    call('HSET', RUNNING, id, string.char(old - (has(old, EXTRAS) and EXTRAS or 0) - (has(old, CANCEL) and CANCEL or 0) + EXTRAS + CANCEL) .. sub(run, 2))
    local overdue = now + ARGV[at + 12]
    -- Asked for again it is due when it was: the first request stands.
    call('ZADD', TIMERS, 'NX', overdue, 'c' .. id)
    -- Until then keepers look for requests that their worker was not told of.
    if overdue > tonumber(call('HGET', META, 'C') or 0) then call('HSET', META, 'C', overdue) end
    call('PUBLISH', 'mr1|w|' .. ARGV[at + 13], 'c' .. META .. '\\0' .. id .. ARGV[at + 14])
    tell(ARGV[at + 10])
    return 'a'
  end
  local pushed_back = ARGV[at + 17]
  if pushed_back ~= '' then
    local ms, gate = string.match(pushed_back, '^(%d+) (.*)$')
    if not limits then
      call('HSETNX', META, 'G', '0\\n')
      open_limits('')
    end
    limits.hold(gate, tonumber(ms))
  end
  -- What stands for new ones does so until it ends.
  if limits and place ~= 'T' and place ~= '=' then end_standing(id, key) end
  if run then
    call('HDEL', RUNNING, id)
    if limits then limits.leave({ mark_of(run) }) end
    if has(old, CANCEL) then call('ZREM', TIMERS, 'c' .. id) end
    if has(old, KIN) then leave_owner(id, key) end
  else leave_place(id, record, key) end
  tell(ARGV[at + 10])
  if ARGV[at + 16] ~= '' then note_ending(ARGV[at + 16]) end
  if place == 'G' then
    purge(id, old, key)
    return 'a'
  end

  local lane = sub(record, 4, 5)
  if ARGV[at + 4] ~= '' then
    local entry = call('HGET', META, ARGV[at + 4]) or make_lane(ARGV[at + 4], false)
    lane = sub(entry, 1, 2)
  end
  local due6 = sub(record, 12, 17)
  local due = instead and instead.due or ARGV[at + 5]
  if due ~= '' then due6 = pack('>I6', sub(due, 1, 1) == '+' and now + tonumber(sub(due, 2)) or tonumber(due)) end
  local progress = ARGV[at + 9]
  local write, drop = {}, {}
  if has(old, KIN) then flags = flags + KIN end
  if ARGV[at + 15] ~= '' then
    append_lines(id, key, cjson.decode(ARGV[at + 15]))
    flags = flags + LOGS
  elseif has(old, LOGS) then flags = flags + LOGS end
  if sub(progress, 1, 1) == '=' then
    flags = flags + PROGRESS
    write[1], write[2] = id .. 'p', sub(progress, 2)
  elseif has(old, PROGRESS) then
    if progress == '' then flags = flags + PROGRESS else drop[1] = id .. 'p' end
  end
  if has(flags, EXTRAS) then write[#write + 1] = id .. 'x' write[#write + 1] = stamp(ARGV[at + 7])
  elseif has(old, EXTRAS) then drop[#drop + 1] = id .. 'x' end
  if has(flags, RESULT) then write[#write + 1] = id .. 'r' write[#write + 1] = ARGV[at + 8]
  elseif has(old, RESULT) then drop[#drop + 1] = id .. 'r' end
  local head = place .. string.char(flags) .. string.char((byte(record, 3) + 1) % 256)
  local input = ARGV[at + 6] == '' and sub(record, 18) or sub(ARGV[at + 6], 2)
  call('HSET', key, id, head .. lane .. sub(record, 6, 11) .. due6 .. input, unpack(write))
  if drop[1] then call('HDEL', key, unpack(drop)) end
  if place == 'T' then
    call('ZADD', TIMED, 0, lane .. due6 .. id)
    call('ZADD', INDEX, 0, 'Bt' .. id)
    local expires = ARGV[at + 11]
    if expires ~= '' then
      if sub(expires, 1, 1) == '+' then expires = string.format('%d', now + tonumber(sub(expires, 2))) end
      call('ZADD', TIMERS, expires, 'x' .. id)
    end
    if struct.unpack('>I6', due6) <= now or not quiet_about_later then woken[lane] = (woken[lane] or 0) + 1 end
  elseif place == 'P' then
    call('ZADD', INDEX, 0, 'Bp' .. id)
    call('HINCRBY', META, 'e' .. lane, 1)
  else
    local extras = cjson.decode(call('HGET', key, id .. 'x'))
    call('ZADD', INDEX, 0, ended_member(place, id, extras), 0, 'B' .. place .. id)
    call('HINCRBY', META, 'e' .. lane, 1)
    if has(old, EXPIRES) then call('ZREM', TIMERS, 'x' .. id) end
  end
  return 'a'
end
local function wake_moved()
  for lane, jobs in pairs(woken) do wake(lane, jobs) end
end
`;

/** Keeps the ends of jobs until they are told where their runs are. */
export const KEEP_ENDINGS = `
local function keep_endings()
  if ending_count == 0 then return end
  local write = {}
  for k = 1, ending_count, 2 do
    local row = endings[k]
    write[k], write[k + 1] = 'f' .. sub(row, 18, 33), now6 .. sub(row, 1, 16) .. sub(row, 35)
  end
  call('HSET', OUTBOX, unpack(write))
end
`;
