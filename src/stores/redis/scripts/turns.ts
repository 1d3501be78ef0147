// Turns in Lua: what a claim takes where jobs have keys, one group after the other, beside lanes whose jobs have none.
import { STRETCH } from "./stretch.ts";

/** Groups read ahead at least. */
const LEAST_GROUPS = 8;
/** Groups put aside in one claim at most: it holds the server for some milliseconds, and the next claim goes on. */
const MAX_PUT_ASIDE = 1_000;
/** Jobs that fell due put under their keys in one claim, where its capacity is not more. */
const LEAST_PROMOTED = 1_000;
/** Looks in one claim at what is behind jobs that expired. */
const MAX_LOOKS = 1_000;

/** What is read of groups as a claim comes to them. */
const READING = `
  -- A group is known by its entry in the ring. Each text that is made costs as much as a small command: its turn and its
  -- name are made where they are needed.
  local function group_of(entry, keys)
    -- All fields at once: a table that grows is made anew several times. Its gates; its row (false: not looked at, or there
    -- is none); of the job whose turn it is: what the row has of it (job), id (order), rank, record (0: not read), extras;
    -- whether this claim took one of it (touched), let it in before its turn (early), and found it shut after that (is_done).
    return { keys = keys, entry = entry, gates = false, row = false, job = false, record = 0, extras = false,
      touched = false, early = false, is_done = false, order = false, rank = 0 }
  end
  -- The first gate of a group that is shut.
  local function shut_gate(group)
    local own = group.gates
    if not own then own = limits.gates_of(group.keys) group.gates = own end
    if own.name then
      if room_at(own) <= 0 then return own end
      return nil
    end
    for k = 1, #own do
      if room_at(own[k]) <= 0 then return own[k] end
    end
  end
  -- The job of a group whose turn it is, whether it is worth starting or not; nil: it has none.
  local function read_job(cursor, group)
    if group.job then return group.job end
    local row = group.row
    if not row then
      row = rows.row_at(cursor.number .. group.keys)
      if not row then return nil end
      group.row = row
    end
    local gate = group.gates
    -- No more than may start: what is read ahead is written again until it does.
    local job = rows.first(row, gate and gate.name and math.min(cursor.wanted, room_at(gate)) or 0)
    if job then group.job, group.order, group.record = job, sub(job, -16), 0 end
    return job
  end
  -- Reads the first jobs of groups that may start, their records with a command a shard.
  local function read_records(groups)
    local by_shard = {}
    for k = 1, #groups do
      local group = groups[k]
      local id = group.order
      if id then
        local key = shard_of(id)
        local asked = by_shard[key]
        if not asked then asked = { groups = {}, fields = {}, count = 0 } by_shard[key] = asked end
        local n, fields = asked.count + 1, asked.fields
        asked.count, asked.groups[n] = n, group
        fields[2 * n - 1], fields[2 * n] = id, id .. 'x'
      end
    end
    for key, asked in pairs(by_shard) do
      local values, own = call('HMGET', key, unpack(asked.fields)), asked.groups
      for k = 1, asked.count do
        local group = own[k]
        group.record, group.extras = values[2 * k - 1], values[2 * k]
      end
    end
  end
  -- Reads more groups: their gates, and the first jobs of those that may start.
  local function load_more(cursor)
    local members = cursor.ahead or read_ring(cursor, math.max(${LEAST_GROUPS}, left))
    cursor.ahead = nil
    local fresh, list_of_keys, names, found, unparked = {}, {}, {}, 0, cursor.unparked
    for k = 1, #members do
      local member = members[k]
      local keys = sub(member, 10)
      if not unparked[keys] then
        found = found + 1
        fresh[found], list_of_keys[found], names[found] = group_of(member, keys), keys, cursor.number .. keys
      end
    end
    limits.load_gates(list_of_keys)
    rows.load(names)
    local queue, n = cursor.queue, #cursor.queue
    -- Where there are few groups each has more than one turn.
    cursor.wanted = cursor.dry and math.ceil(left / math.max(1, n - cursor.first + 1 + found + #cursor.served)) or 0
    local may_start, open = {}, 0
    for k = 1, found do
      local group = fresh[k]
      queue[n + k] = group
      if not shut_gate(group) then
        read_job(cursor, group)
        open = open + 1
        may_start[open] = group
      end
    end
    read_records(may_start)
  end
  -- The group that stands before all others: read now if need be, or one that had its turn, where all had.
  local function next_group(cursor)
    local group = cursor.queue[cursor.first]
    if group then return group end
    while not group and (cursor.ahead or not cursor.dry) do
      load_more(cursor)
      group = cursor.queue[cursor.first]
    end
    if not group and cursor.served[1] then
      cursor.queue, cursor.first, cursor.served = cursor.served, 1, {}
      group = cursor.queue[1]
    end
    return group
  end
`;

/** What a claim writes of the groups that it came to. */
const PLACING = `
  -- A group leaves its place in the ring: to be parked, or since nothing of it is ready.
  local function place(group, turn, shut)
    out[#out + 1] = group.entry
    local row = group.row
    if not shut then
      if row then rows.drop(row) end
      return
    end
    put[#put + 1], put[#put + 2] = '0', 'P' .. shut.name .. '\\0' .. sub(group.entry, 2, 3) .. turn .. group.keys
    row.turn, row.gate = turn, shut.name
    rows.change(row)
    if shut.parked == 0 then
      shut.parked = 1
      limits.change(shut)
    end
  end
  local function unpark_behind(cursor, gate)
    local keys, turn = limits.unpark_next(gate, cursor.number)
    if not keys then return end
    limits.load_gates({ keys })
    -- Where it is in the ring is read yet, maybe.
    cursor.unparked[keys] = true
    local group = group_of('R' .. cursor.number .. turn .. keys, keys)
    group.early = true
    table.insert(cursor.queue, cursor.first, group)
  end
  -- Others that wait where a group stood are let go, if there is room left.
  local function pass_on(cursor, group, shut)
    local own = group.gates
    if own.name then
      if own.parked == 1 and own ~= shut and room_at(own) > 0 then unpark_behind(cursor, own) end
      return
    end
    for _, gate in ipairs(own) do
      if gate ~= shut and gate.parked == 1 and room_at(gate) > 0 then unpark_behind(cursor, gate) end
    end
  end
  local put_aside = 0
  -- A group that has nothing to give now leaves the ring.
  local function leave_ring(cursor, group, shut)
    cursor.first = cursor.first + 1
    put_aside = put_aside + 1
    if group.touched then
      group.is_done = true
      cursor.done[#cursor.done + 1] = group
    else
      group.row = group.row or rows.row_at(cursor.number .. group.keys) or rows.make(cursor.number .. group.keys)
      place(group, sub(group.entry, 4, 9), shut)
    end
    pass_on(cursor, group, shut)
  end
  -- Writes the order in which groups come next time: one that may go on stays where it is, and the next claim begins
  -- behind it (putting it last took two commands of a sorted set and one of a hash, and a third of a claim's time). One
  -- that is parked is the last of those that wait where it does. Where nothing more is wanted, and nobody is idle, one
  -- whose last place this claim took is left in the ring: until its next turn it mostly has one again, and parking it and
  -- letting it go took longer than all else. Whoever becomes idle later looks at it before, and parks it; who is idle now
  -- would not be told that it has a place again.
  local function close(cursor)
    if cursor.last then fields[#fields + 1], fields[#fields + 2] = 'c' .. cursor.number, sub(cursor.last.entry, 4) end
    local touched, parked = {}, {}
    for k = cursor.first, #cursor.queue do touched[#touched + 1] = cursor.queue[k].touched and cursor.queue[k] or nil end
    for _, group in ipairs(cursor.served) do touched[#touched + 1] = group end
    for _, group in ipairs(cursor.done) do touched[#touched + 1] = group end
    for _, group in ipairs(touched) do
      local shut = shut_gate(group)
      if not read_job(cursor, group) then place(group)
      elseif shut and (left > 0 or group.is_done or is_any_idle(cursor.number)) then parked[#parked + 1] = { group, shut } end
      pass_on(cursor, group, shut)
    end
    if not parked[1] then return end
    local turn = call('HINCRBY', GATES, 'turn', #parked) - #parked
    for k, entry in ipairs(parked) do place(entry[1], pack('>I6', turn + k), entry[2]) end
  end
`;

/** What gives each group its turn, one job after the other. */
const TAKING = `
  -- The job of a group that is taken when its turn comes; nil: it has none.
  local function job_of(cursor, group)
    while true do
      local job = read_job(cursor, group)
      if not job then return nil end
      if group.record == 0 then
        local read = call('HMGET', shard_of(group.order), group.order, group.order .. 'x')
        group.record, group.extras = read[1], read[2]
      end
      if group.record and not is_expired(group.order, group.record) then
        if are_compared then group.rank = struct.unpack('>I6', job) - cursor.lane.head_start end
        return group
      end
      expired = expired + 1
      rows.take_off(group.row)
      group.job = false
    end
  end
  local function head(cursor)
    if offers[cursor.lane.offer] <= 0 then return nil end
    if cursor.found then return cursor.found[cursor.at] end
    while put_aside < ${MAX_PUT_ASIDE} do
      local group = next_group(cursor)
      if not group then return nil end
      local shut = shut_gate(group)
      local job = not shut and job_of(cursor, group)
      if job then return job end
      leave_ring(cursor, group, shut)
    end
    look_at_once = true
  end
  local function pass(own)
    if own.name then start(own, 1)
    else
      for _, gate in ipairs(own) do start(gate, 1) end
    end
  end
  local function take_turn(cursor, group)
    local id, extras = group.order, group.extras or ''
    turns = turns + 1
    ids[turns] = id
    rows.take_off(group.row)
    take(id, group.record, cursor.lane, extras, nil, (find(extras, '"O":', 1, true) and '+' or group.gates.name and 'g' or 's') .. group.keys)
    pass(group.gates)
    group.touched, group.job = true, false
    cursor.first = cursor.first + 1
    -- To go on behind one that was let in early would pass over those before it.
    if not group.early then cursor.last = group end
    cursor.served[#cursor.served + 1] = group
    -- Whom a wider limit, or time, let go stands for all who wait there: they take turns from here on.
    pass_on(cursor, group)
  end
  -- A suspect waits apart from its group: its gates are looked at here.
  local function take_suspect(job)
    local group = { keys = limits.keys_of(job.id, shard_of(job.id)) }
    limits.load_gates({ group.keys })
    if shut_gate(group) then return end
    -- Whether it stands for new ones was not read: it is looked up when it ends.
    job.mark = '+' .. group.keys
    if accept(job) then pass(group.gates) end
  end
  -- Where expired ones were in the way, there may be others behind them.
  for _ = 1, ${MAX_LOOKS} do
    local cursors = { unpack(rings) }
    for _, lane in ipairs(lanes) do
      local found = {}
      if lane.slot ~= -1 then gather(lane, found) end
      sort_found(found)
      if found[1] then cursors[#cursors + 1] = { lane = lane, found = found, at = 1 } end
    end
    while left > 0 do
      local best, job
      for k = 1, #cursors do
        local own = head(cursors[k])
        if own and (not job or is_before(own, job)) then best, job = cursors[k], own end
      end
      if not best then break end
      if best.found then
        best.at = best.at + 1
        if best.lane.slot == -2 then take_suspect(job) else accept(job) end
      else take_turn(best, job) end
    end
    if not put_away() or left == 0 then break end
  end
  for _, cursor in ipairs(rings) do close(cursor) end
`;

/** Within an exchange, after the parts of a claim: takes the lowest rank of what may start, until nothing may. */
export const CLAIM_TURNS: string = `
local look_at_once = false
local function claim_turns()
  local room_at, start = limits.room_at, limits.start
  local ids, turns, expired = {}, 0, 0
  -- Of entries of the ring: to be taken out, and to be put in; of the hash of gates: fields to be written, and to go; of
  -- the sorted set: those that came into rows.
  local out, put, fields, gone, behind = {}, {}, {}, {}, {}
  local find = string.find
  -- Whether jobs of several lanes are compared.
  local are_compared = lanes[2] ~= nil
  -- Reads the next stretch of the ring.
  local function read_ring(cursor, want)
    local members = call('ZRANGEBYLEX', TURNS, cursor.after, cursor.stop, 'LIMIT', 0, want)
    if #members < want and cursor.begun then
      -- From the front of the ring again, up to where this claim began.
      cursor.after, cursor.stop, cursor.begun = '[R' .. cursor.number, '[R' .. cursor.number .. cursor.begun, nil
      for _, member in ipairs(call('ZRANGEBYLEX', TURNS, cursor.after, cursor.stop, 'LIMIT', 0, want - #members)) do
        members[#members + 1] = member
      end
    end
    cursor.dry = #members < want
    if members[1] then cursor.after = '(' .. members[#members] end
    return members
  end
  local idle_of_lanes = {}
  local function is_any_idle(lane)
    local idle = idle_of_lanes[lane]
    if idle == nil then
      local low = (byte(lane, 1) * 256 + byte(lane, 2)) * LANE_SPAN
      idle = call('ZRANGE', IDLE, low, low + LANE_SPAN - 1, 'BYSCORE', 'LIMIT', 0, 1)[1] ~= nil
      idle_of_lanes[lane] = idle
    end
    return idle
  end
  -- Jobs of a lane that fell due come under their keys.
  local function promote(lane)
    local most = math.max(${LEAST_PROMOTED}, left)
    local due = call('ZRANGEBYLEX', TIMED, '[' .. lane, '[' .. lane .. now6 .. '\\255', 'LIMIT', 0, most)
    if not due[1] then return end
    look_at_once = look_at_once or #due == most
    local names, list_of_keys = {}, {}
    for k, member in ipairs(due) do
      local id = sub(member, 9)
      local keys = limits.keys_of(id, shard_of(id)) or false
      list_of_keys[k] = keys
      if keys then names[#names + 1] = lane .. keys end
    end
    rows.load(names)
    for k, member in ipairs(due) do
      if list_of_keys[k] then limits.enter(lane, list_of_keys[k], sub(member, 3)) end
    end
    limits.seat()
    in_parts('ZREM', TIMED, due)
  end
${STRETCH}  -- A cursor for the ring of each lane: groups that were read (queue, from first on), that had a turn (served), that had
  -- one and nothing more (done), that were parked when they were to be read (unparked); where the ring is read next (after,
  -- stop), and where it was begun, until it is read from its front; the last group that something was taken of.
  local rings = {}
  for _, lane in ipairs(lanes) do
    if lane.slot == -1 then
      if timed then promote(lane.number) end
      local begun = call('HGET', GATES, 'c' .. lane.number) or nil
      rings[#rings + 1] = { lane = lane, number = lane.number, begun = begun, queue = {}, first = 1, served = {}, done = {},
        unparked = {}, wanted = 0, after = begun and '(R' .. lane.number .. begun or '[R' .. lane.number, stop = '[R' .. lane.number .. '\\255' }
    end
  end
  rows.forget()
  if are_compared or not rings[1] or not take_stretch(rings[1]) then
    -- In a function of its own, so that a claim that was done by columns makes none of what is in it.
    (function()
${READING}${PLACING}${TAKING}    end)()
  end
  rows.save()
  in_parts('ZREM', KEYED, behind)
  if turns > 0 then
    tidy_arrivals(ids, turns)
    if call('ZRANGEBYLEX', INDEX, '[Bt', '(Bu', 'LIMIT', '0', '1')[1] then
      for k = 1, turns do ids[k] = 'Bt' .. ids[k] end
      in_parts('ZREM', INDEX, ids)
    end
  end
  in_parts('ZREM', TURNS, out)
  in_parts('ZADD', TURNS, put)
  in_parts('HSET', GATES, fields)
  in_parts('HDEL', GATES, gone)
  if expired > 0 then call('HINCRBY', META, 'X', expired) end
  return left == 0
end
`;
