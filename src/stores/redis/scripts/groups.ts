// Groups of jobs with the same keys, in Lua: parked at gates and let go, joined by new jobs, left by those that end.

/** Gates opened by time in one call: they hold the server for some ms. */
const MAX_OPENED = 1_000;
/** Lanes in which groups may be parked at a gate: a lane's number has two bytes. */
const MAX_LANES_PARKED = 65_536;
/** Gates looked at when limits change. */
const MAX_GATES_OPENED = 100_000;

/** Within `open_limits` of gates.ts. */
export const GROUPS: string = `
  -- A parked group goes back into the ring, in its old place.
  local function unpark(member, at)
    local lane, turn, keys = sub(member, at, at + 1), sub(member, at + 2, at + 7), sub(member, at + 8)
    call('ZREM', TURNS, member)
    call('ZADD', TURNS, '0', 'R' .. lane .. turn .. keys)
    local row = rows.row_at(lane .. keys) or rows.make(lane .. keys)
    row.turn, row.gate = turn, ''
    rows.change(row)
    freed[#freed + 1] = lane .. keys
    return keys, turn
  end
  local function unpark_next(gate, lane)
    local prefix = 'P' .. gate.name .. '\\0'
    local member = call('ZRANGEBYLEX', TURNS, '[' .. prefix .. lane, '(' .. prefix .. lane .. '\\255', 'LIMIT', 0, 1)[1]
    if member then return unpark(member, #prefix + 1) end
  end
  -- A gate has room: the next group of each lane goes back into its ring.
  local function unpark_all(gate)
    local prefix = 'P' .. gate.name .. '\\0'
    local from, found = '[' .. prefix, 0
    for _ = 1, ${MAX_LANES_PARKED} do
      local member = call('ZRANGEBYLEX', TURNS, from, '(P' .. gate.name .. '\\1', 'LIMIT', 0, 1)[1]
      if not member then break end
      found = 1
      unpark(member, #prefix + 1)
      from = '(' .. sub(member, 1, #prefix + 2) .. '\\255'
    end
    if gate.parked ~= found then
      gate.parked = found
      dirty[gate.name] = gate
    end
  end
  -- Limits may be wider than before: whoever waits at a gate that has room now is let go. Where they are narrower, it is
  -- noted when gates open that are shut by that.
  local function open_gates()
    local from = '[P'
    for _ = 1, ${MAX_GATES_OPENED} do
      local member = call('ZRANGEBYLEX', TURNS, from, '(Q', 'LIMIT', 0, 1)[1]
      if not member then break end
      local name = sub(member, 2, string.find(member, '%z') - 1)
      local gate = gate_at(name)
      if room_at(gate) > 0 then unpark_all(gate) else dirty[name] = gate end
      from = '(P' .. name .. '\\1'
    end
  end
  local function open_due()
    local due = call('ZRANGEBYLEX', TURNS, '[O', '[O' .. now6 .. '\\255', 'LIMIT', 0, ${MAX_OPENED})
    if not due[1] then return end
    call('ZREM', TURNS, unpack(due))
    for _, member in ipairs(due) do
      local gate = gate_at(sub(member, 8))
      gate.opens = 0
      dirty[gate.name] = gate
      if gate.parked == 1 and room_at(gate) > 0 then unpark_all(gate) end
    end
  end
  -- When the first gate opens by itself.
  local function next_opening()
    local first = call('ZRANGEBYLEX', TURNS, '(O' .. now6 .. '\\255', '[O\\255', 'LIMIT', 0, 1)[1]
    return first and struct.unpack('>I6', sub(first, 2, 7))
  end
  -- Gates of which only a count is kept: it is written at once. Gives back the keys of what is to leave other gates.
  -- marks: of each its kind and its keys; where that is g, it is the field of the only gate.
  local function leave_plain(marks)
    local fields, times, others, gone, n = {}, {}, {}, {}, 0
    local has_gates = next(gates) ~= nil
    for k = 1, #marks do
      local mark = marks[k]
      local before = times[mark]
      if before then times[mark] = before + 1
      elseif byte(mark) ~= 103 or has_gates and gates[sub(mark, 2)] then others[#others + 1] = sub(mark, 2)
      else
        n = n + 1
        fields[n], times[mark] = mark, 1
      end
    end
    local values, write, written, dropped = read_fields(GATES, fields), {}, 0, 0
    for k = 1, n do
      local value, field = values[k], fields[k]
      local count, less = plain_count(value), times[field]
      if not count then
        local name = sub(field, 2)
        gate_of(name, value)
        for _ = 1, less do others[#others + 1] = name end
      elseif count > less then
        write[written + 1], write[written + 2] = field, plain_text(count - less)
        written = written + 2
      elseif value then
        dropped = dropped + 1
        gone[dropped] = field
      end
    end
    in_parts('HSET', GATES, write)
    in_parts('HDEL', GATES, gone)
    return others
  end
  -- Jobs run no longer: they leave their gates.
  local function leave(marks)
    if not marks[1] then return end
    local others = leave_plain(marks)
    if not others[1] then return end
    load_gates(others)
    local all = {}
    local function leave_gate(gate)
      gate.count = math.max(0, gate.count - 1)
      dirty[gate.name] = gate
      if gate.parked == 1 then all[gate.name] = gate end
    end
    for k = 1, #others do
      local own = gates_of(others[k])
      if own.name then leave_gate(own)
      else
        for _, gate in ipairs(own) do leave_gate(gate) end
      end
    end
    for _, gate in pairs(all) do
      if room_at(gate) > 0 then unpark_all(gate) end
    end
  end
  -- A job with keys is ready: it waits in its group. Gives back whether that is in the ring, and not parked: there it is
  -- once all of a call are seated.
  local function enter(lane, keys, job)
    local name = lane .. keys
    local row = rows.row_at(name)
    if not row then
      row = rows.make(name)
      comers[#comers + 1] = row
    end
    rows.add(row, job)
    return row.gate == ''
  end
  -- Gives those that came into the ring their turns, and writes all that came in.
  local function seat()
    local count = #comers
    if count > 0 then
      local turn, members = call('HINCRBY', GATES, 'turn', count) - count, {}
      for k = 1, count do
        local row = comers[k]
        row.turn = pack('>I6', turn + k)
        members[2 * k - 1], members[2 * k] = '0', 'R' .. sub(row.name, 1, 2) .. row.turn .. sub(row.name, 3)
      end
      comers = {}
      in_parts('ZADD', TURNS, members)
    end
    rows.save()
  end
  -- A new job chooses, for each of its keys (a letter each: w wait, d drop the new one, c cancel the oldest), what
  -- becomes of it where as many stand as may run. Gives back nil if it is to be dropped, else what it overtakes: id and
  -- gate of each.
  local function choose(choices, keys)
    local overtaken = {}
    for k, name in ipairs(split(keys)) do
      local choice, most = sub(choices, k, k), gate_at(name).bound.concurrency
      if choice ~= 'w' and most then
        local prefix = 'S' .. name
        local over = call('ZLEXCOUNT', TURNS, '[' .. prefix .. '\\0', '(' .. prefix .. '\\1') - most + 1
        if over > 0 and choice == 'd' then return nil end
        -- The bound may be none at all: then the new one still comes in, and those before it go.
        local oldest = over > 0 and call('ZRANGEBYLEX', TURNS, '[' .. prefix .. '\\0', '(' .. prefix .. '\\1', 'LIMIT', 0, over) or {}
        for _, member in ipairs(oldest) do overtaken[#overtaken + 1] = { id = sub(member, #prefix + 2), gate = name, member = member } end
      end
    end
    return overtaken
  end
  local function stand(id, choices, keys)
    for k, name in ipairs(split(keys)) do
      if sub(choices, k, k) ~= 'w' then call('ZADD', TURNS, '0', 'S' .. name .. '\\0' .. id) end
    end
  end
  local function keys_of(id, key)
    local extras = call('HGET', key, id .. 'x')
    return extras and cjson.decode(extras).K
  end
  -- A handler pushed back: nothing passes a gate for a time.
  local function hold(name, ms)
    local gate = gate_at(name)
    gate.held = math.max(gate.held, now + ms)
    dirty[name] = gate
  end
  -- What a handler holds is lifted: a group of each lane that waits there is let go, unless the gate is shut by more than
  -- that. Gives back until when it was held, 0 if it was not.
  local function release(name)
    local gate = gate_at(name)
    local held = gate.held
    if held <= now then return 0 end
    if gate.opens > 0 then call('ZREM', TURNS, 'O' .. pack('>I6', gate.opens) .. name) end
    gate.held, gate.opens = 0, 0
    dirty[name] = gate
    if gate.parked == 1 and room_at(gate) > 0 then unpark_all(gate) end
    return held
  end
`;
