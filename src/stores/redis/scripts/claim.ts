// What a claim takes of jobs without keys: parts of an exchange.
import { FIXED_KEYS } from "../layout.ts";

/** Takes from the sorted set when it has something, beside the lists. */
export const CLAIM_MERGED: string = `
-- A job that was removed leaves its id in the list as a mark. If a job comes again under that id, for a run that says
-- its word again, one id stands there twice, or in the list of another lane too: the first is as good as the second,
-- and then that is the mark.
local function marks_in(lane) return tonumber(call('HGET', META, 'D' .. lane.slot) or 0) end
local started_here = {}
local function stands(id, record, lane, marks, gathered)
  if not record or byte(record, 1) ~= 76 then return false end
  if marks == 0 then return true end
  if sub(record, 4, 5) ~= lane.number or started_here[id] or gathered[id] or call('HEXISTS', RUNNING, id) == 1 then return false end
  gathered[id] = true
  return true
end
-- Takes so many out of a list, from behind its sentinel. The list is empty at no moment: while its slot migrates, a key
-- that is gone can't be written again, the script is cut off there, and what it had taken is lost.
local function shorten(list, count)
  call('LSET', list, count, '')
  call('LTRIM', list, count, -1)
end
-- Jobs of several lanes, or of lists and the sorted set together: the lowest ranks win, then the lowest ids.
local function is_before(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.order ~= b.order then return precedes(a.order, b.order) end
  return a.list < b.list
end
local function sort_found(found) table.sort(found, is_before) end
-- What one lane has, at most as many as are wanted.
local function gather(lane, found)
  local want = math.min(left, offers[lane.offer])
  if want > 0 and lane.slot > 0 then
    local marks, gathered = marks_in(lane), {}
    local ids = call('LRANGE', KEYS[${FIXED_KEYS} + lane.slot], 1, want + marks)
    local good, rank, last_id = 0, nil, nil
    for place, id in ipairs(ids) do
      if good == want then break end
      local record = call('HGET', shard_of(id), id)
      if stands(id, record, lane, marks, gathered) then
        good = good + 1
        -- A list is taken from its head only: whatever its times say, what is behind counts as later.
        local own = struct.unpack('>I6', sub(record, 12, 17)) - lane.head_start
        if not rank or own > rank then rank, last_id = own, id
        elseif precedes(last_id, id) then last_id = id end
        found[#found + 1] = { id = id, record = record, lane = lane, list = place, rank = rank, order = last_id }
      end
    end
  end
  if want > 0 and timed then
    local members = call('ZRANGEBYLEX', TIMED, '[' .. lane.number, '[' .. lane.number .. now6 .. '\\255', 'LIMIT', 0, want)
    for _, member in ipairs(members) do
      found[#found + 1] = { id = sub(member, 9), lane = lane, member = member, order = sub(member, 9), list = 0,
        rank = struct.unpack('>I6', sub(member, 3, 8)) - lane.head_start }
    end
  end
end
local taken_of_list, members, index, expired = {}, {}, {}, 0
-- Takes one that was gathered, unless it is not worth starting any more.
local function accept(job)
  local record = job.record
  if job.member then
    record = call('HGET', shard_of(job.id), job.id)
    members[#members + 1] = job.member
  else
    started_here[job.id] = true
    taken_of_list[job.lane] = job.list
    job.lane.taken = (job.lane.taken or 0) + 1
  end
  if not record or is_expired(job.id, record) then
    expired = expired + 1
    return false
  end
  take(job.id, record, job.lane, nil, nil, job.mark)
  if job.member then index[#index + 1] = 'Bt' .. job.id end
  return true
end
-- Takes them out of where they waited. Gives back whether some were expired.
local function put_away()
  for lane, count in pairs(taken_of_list) do
    shorten(KEYS[${FIXED_KEYS} + lane.slot], count)
    if lane.taken < count then call('HINCRBY', META, 'D' .. lane.slot, lane.taken - count) end
    lane.taken = 0
  end
  if members[1] then
    -- What expired is out of the way of others from now on, and waits for the sweep.
    call('ZREM', TIMED, unpack(members))
    if index[1] then call('ZREM', INDEX, unpack(index)) end
    if expired > 0 then call('HINCRBY', META, 'X', expired) end
  end
  local were_expired = expired > 0
  taken_of_list, members, index, expired = {}, {}, {}, 0
  return were_expired
end
local function claim_merged()
  local found = {}
  timed = call('ZCARD', TIMED) > 1
  for _, lane in ipairs(lanes) do gather(lane, found) end
  sort_found(found)
  for _, job in ipairs(found) do
    if left == 0 then break end
    if offers[job.lane.offer] > 0 then accept(job) end
  end
  return put_away()
end
`;

/** The usual case: one lane with a list, nothing in the sorted set. */
export const CLAIM_LIST: string = `
local function claim_list(lane)
  local want = math.min(left, offers[lane.offer])
  local list = KEYS[${FIXED_KEYS} + lane.slot]
  local ids = call('LRANGE', list, 1, want)
  local n = #ids
  if n == 0 then return true end
  local marks = marks_in(lane)
  shorten(list, n)
  local from = 1
  while from <= n do
    local burst = floor(byte(ids[from], 6) / 32)
    local to = from
    while to < n and floor(byte(ids[to + 1], 6) / 32) == burst do to = to + 1 end
    local records = call('HMGET', shard_of(ids[from]), unpack(ids, from, to))
    local kins, fields = {}, {}
    for k = from, to do
      local record = records[k - from + 1]
      if record and byte(record, 2) == KIN then fields[#fields + 1] = ids[k] .. 'k' end
    end
    if fields[1] then
      for place, kin in ipairs(call('HMGET', shard_of(ids[from]), unpack(fields))) do kins[sub(fields[place], 1, 16)] = kin end
    end
    for k = from, to do
      local record = records[k - from + 1]
      if stands(ids[k], record, lane, marks, started_here) then take(ids[k], record, lane, nil, kins[ids[k]])
      else lane.marks = (lane.marks or 0) + 1 end
    end
    from = to + 1
  end
  return n < want
end
`;
