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
    call('HSET', GATES, 'r' .. lane .. keys, turn)
    freed[lane] = (freed[lane] or 0) + 1
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
  -- left: of each a g and its keys, which is the field of a gate where there is one key.
  local function leave_plain(left, gone)
    local fields, times, others, n = {}, {}, {}, 0
    local has_gates = next(gates) ~= nil
    for k = 1, #left do
      local field = left[k]
      local before = times[field]
      if before then times[field] = before + 1
      elseif has_gates and gates[sub(field, 2)] or are_several(field) then others[#others + 1] = sub(field, 2)
      else
        n = n + 1
        fields[n], times[field] = field, 1
      end
    end
    local values, write, written, dropped = read_fields(GATES, fields), {}, 0, #gone
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
  -- Jobs run no longer: they leave their gates. Gives back those that stand for new ones.
  local function leave(ids)
    local fields = {}
    for k = 1, #ids do fields[k] = 'u' .. ids[k] end
    local all, left, gone, standing, n = {}, {}, {}, {}, 0
    local values = read_fields(GATES, fields)
    for k = 1, #ids do
      local value = values[k]
      if value then
        n = n + 1
        gone[n] = fields[k]
        if byte(value) == 103 then left[n] = value
        else
          -- One that stands for new ones, or that an older program started.
          left[n] = 'g' .. sub(value, 2)
          if byte(value) == 43 then standing[#standing + 1] = ids[k] end
        end
      end
    end
    if n == 0 then return standing end
    local others = leave_plain(left, gone)
    if not others[1] then return standing end
    load_gates(others)
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
    return standing
  end
  -- Reads at once where groups are, by their names: lane and keys.
  local function foresee(names)
    local fields = {}
    for k = 1, #names do fields[k] = 'r' .. names[k] end
    local entries = read_fields(GATES, fields)
    for k = 1, #names do places[names[k]] = entries[k] end
  end
  -- A job with keys is ready: its group is in the ring, or where it is parked. Gives back whether it is in the ring: there
  -- it is once all of a call are seated.
  local function enter(lane, keys)
    local name = lane .. keys
    if entered[name] ~= nil then return entered[name] end
    local place = places[name]
    if place == nil then place = call('HGET', GATES, 'r' .. name) end
    if not place then
      comers[#comers + 1] = lane
      comers[#comers + 1] = keys
    end
    entered[name] = not place or #place == 6
    return entered[name]
  end
  -- Gives those that came into the ring their turns.
  local function seat()
    local count = #comers / 2
    if count == 0 then return end
    local turn, members, fields = call('HINCRBY', GATES, 'turn', count) - count, {}, {}
    for k = 1, 2 * count, 2 do
      turn = turn + 1
      local lane, keys, turn6 = comers[k], comers[k + 1], pack('>I6', turn)
      members[k], members[k + 1] = '0', 'R' .. lane .. turn6 .. keys
      fields[k], fields[k + 1] = 'r' .. lane .. keys, turn6
    end
    comers = {}
    in_parts('ZADD', TURNS, members)
    in_parts('HSET', GATES, fields)
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
`;
