// Gates and groups in Lua: what runs under each key of a limit, and where jobs with keys wait for their turn.
import { FIXED_KEYS } from "../layout.ts";
import { ARRIVALS } from "./arrivals.ts";
import { ROOM } from "./gate-room.ts";

/*
 * A gate is one key of one limit (`limit \1 key`), or the whole queue (`queue`). A group is all jobs of one lane with
 * the same keys: the lane's number and the gates' names, `\1` between. What is kept, beside the jobs themselves:
 *
 *   m  G          what the limits of the queue allow: `version \n`, then `name \1 concurrency \1 starts \1 ms \n` each
 *   k  lane keys \0 due id     jobs that are ready under their keys, by group and then by rank
 *   q  R lane turn keys        groups in the ring of their lane, in the order of their turns
 *      P gate \0 lane turn keys   groups parked at a gate that is shut
 *      O time gate             when a gate opens by itself
 *      S gate \0 id            jobs that stand for new ones of a key that drops or cancels
 *   g  g<gate>    running (4 bytes), held until (6), opens at (6), 1 if groups may be parked (1), starts (4), and the
 *                 window of starts: time (6) and number (4) of each step
 *      r<group>   turn (6), and the gate where it is parked
 *      u<id>      of each job that runs under keys: `+` if it stands for new ones, else `-`, and its keys
 *      c<lane>    where in the ring of a lane the next claim begins: behind the group that the last one took from
 *
 * How many run under a gate is the number of entries `u` that name it, and each of them goes in the same call as the
 * entry of the running job: neither a repeated call nor a failover can let the two differ. How many run in the whole
 * queue is the length of the hash of running jobs.
 *
 * What makes it right is the rule of the embedded store's gates: where a gate has room and groups of a lane are parked
 * at it, one group that stands before it is in the ring of that lane. Whoever makes room (an end, a raised limit, time)
 * puts one of each lane back; a group that leaves the ring, or leaves room when its turn is over, puts back the next.
 *
 * All of it is one function, called where the room has an entry `G` and nowhere else: a room without limits pays for
 * one field more in a command that it makes anyway.
 */

/** Fields of one command: a script can't unpack many more. */
const CHUNK = 1_000;
/** Gates opened by time, and jobs that fell due put under their keys, in one call: they hold the server for some ms. */
const MAX_OPENED = 1_000;

/** Entries looked at by one sweep: all of them in their turn. */
const LOOKED_AT = 200;

const GATES = `
  local function gate_of(name, value)
    local count, held, opens, parked, total, starts = 0, 0, 0, 0, 0, ''
    if value then
      count, held, opens, parked, total = parse('>I4I6I6BI4', value)
      if #value > 21 then starts = sub(value, 22) end
    end
    -- All fields at once, for a table that grows is made anew several times; and eight, for with one more it takes twice
    -- the room.
    local gate = { name = name, bound = bounds[sub(name, 1, (find(name, '\\1', 1, true) or 0) - 1)] or UNBOUNDED, count = count,
      held = held, opens = opens, parked = parked, total = total, starts = starts }
    gates[name] = gate
    return gate
  end
  local function gate_at(name) return gates[name] or gate_of(name, call('HGET', GATES, 'g' .. name)) end
  local names_of = {}
  -- The names of the gates in keys, where they are several. Of a single key, which is the usual case, no list is made.
  local function several(keys)
    if not find(keys, '\\1', find(keys, '\\1', 1, true) + 1, true) then return nil end
    local names = names_of[keys]
    if not names then
      names = {}
      for name in string.gmatch(keys, '[^\\1]+\\1[^\\1]+') do names[#names + 1] = name end
      names_of[keys] = names
    end
    return names
  end
  local function split(keys) return several(keys) or { keys } end
  -- Reads the gates of many groups at once.
  local function load_gates(list_of_keys)
    local fields, names, n = {}, {}, 0
    local function ask(name)
      if gates[name] == nil then
        gates[name] = false
        n = n + 1
        names[n], fields[n] = name, 'g' .. name
      end
    end
    for k = 1, #list_of_keys do
      local keys = list_of_keys[k]
      local own = gates[keys] == nil and several(keys)
      if own then
        for _, name in ipairs(own) do ask(name) end
      else ask(keys) end
    end
    local values = read_fields(GATES, fields)
    for k = 1, n do gate_of(names[k], values[k]) end
  end
  -- The gate of a single key, or else those of several, in a list: it has no name. They have been read.
  local function gates_of(keys)
    local own = gates[keys]
    if own then return own end
    own = {}
    for k, name in ipairs(several(keys)) do own[k] = gates[name] end
    return own
  end
  -- What is kept of gates by how many run under them, where nothing else is to be remembered.
  local of_count = {}
  -- Writes what changed; a gate that is shut until a time notes it, so that somebody looks again.
  local function save()
    local write, drop, written, dropped = {}, {}, 0, 0
    for name, gate in pairs(dirty) do
      local count = name == 'queue' and 0 or gate.count
      local is_plain = gate.opens == 0 and gate.held == 0 and gate.starts == '' and gate.total == 0 and gate.parked == 0
      if not is_plain or gate.bound.rate then
        local room, opens = room_at(gate)
        if room <= 0 and opens and opens ~= gate.opens then
          if gate.opens > 0 then call('ZREM', TURNS, 'O' .. pack('>I6', gate.opens) .. name) end
          call('ZADD', TURNS, '0', 'O' .. pack('>I6', opens) .. name)
          gate.opens = opens
          is_plain = false
        end
      end
      if count == 0 and (is_plain or gate.held <= now and gate.opens == 0 and gate.parked == 0 and gate.starts == '') then
        dropped = dropped + 1
        drop[dropped] = 'g' .. name
      else
        local value = is_plain and of_count[count]
        if not value then
          value = pack('>I4I6I6BI4', count, gate.held, gate.opens, gate.parked, gate.total) .. gate.starts
          if is_plain then of_count[count] = value end
        end
        write[written + 1], write[written + 2] = 'g' .. name, value
        written = written + 2
      end
    end
    dirty = {}
    in_parts('HSET', GATES, write)
    in_parts('HDEL', GATES, drop)
  end
`;

const GROUPS = `
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
    for _ = 1, 65536 do
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
    for _ = 1, 100000 do
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
        gone[n], left[n] = fields[k], sub(value, 2)
        if byte(value) == 43 then standing[#standing + 1] = ids[k] end
      end
    end
    if n == 0 then return standing end
    in_parts('HDEL', GATES, gone)
    load_gates(left)
    local function leave_gate(gate)
      gate.count = math.max(0, gate.count - 1)
      dirty[gate.name] = gate
      if gate.parked == 1 then all[gate.name] = gate end
    end
    for k = 1, n do
      local own = gates_of(left[k])
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

/** For scripts that claim, settle, keep or sweep, after WAKING: `open_limits` makes `limits` of the entry `G`. */
export const LIMITS: string = `
-- Reads fields of a hash, in parts.
local function read_fields(key, fields)
  if not fields[${CHUNK + 1}] then return fields[1] and call('HMGET', key, unpack(fields)) or {} end
  local values = {}
  for from = 1, #fields, ${CHUNK} do
    local to = math.min(#fields, from + ${CHUNK - 1})
    local part = call('HMGET', key, unpack(fields, from, to))
    for k = from, to do values[k] = part[k - from + 1] end
  end
  return values
end
${ARRIVALS}
local function open_limits(text)
  local bounds, gates, dirty, freed, entered, trimmed, UNBOUNDED = {}, {}, {}, {}, {}, {}, {}
  local places, comers = {}, {}
  local find, parse, INFINITE = string.find, struct.unpack, math.huge
  for name, concurrency, most, per in string.gmatch(text, '([^\\1\\n]+)\\1(%d*)\\1(%d*)\\1(%d*)\\n') do
    bounds[name] = { concurrency = tonumber(concurrency), rate = tonumber(most), per = tonumber(per) }
  end
${ROOM}${GATES}${GROUPS}
  -- The whole queue: how many run in it is known by themselves.
  local function queue_gate()
    local gate = gate_at('queue')
    -- A workflow run that waits at its owner is none of them.
    gate.count = call('HLEN', RUNNING) - 1 - call('ZLEXCOUNT', INDEX, '[Bw', '(Bx')
    return gate
  end
  local function has_waiting(lane)
    local field = call('HGET', META, 'l' .. lane)
    local slot = field and byte(call('HGET', META, field), 3) or 0
    if slot > 0 and call('LLEN', KEYS[${FIXED_KEYS} + slot]) > 1 then return true end
    return call('ZRANGEBYLEX', TIMED, '[' .. lane, '[' .. lane .. now6 .. '\\255', 'LIMIT', 0, 1)[1] ~= nil
      or call('ZRANGEBYLEX', TURNS, '[R' .. lane, '[R' .. lane .. '\\255', 'LIMIT', 0, 1)[1] ~= nil
  end
  local was_full
  if bounds.queue and bounds.queue.concurrency then was_full = queue_gate().count >= bounds.queue.concurrency end
  -- Places that became free and that the caller did not take: others are told.
  local function wake_freed()
    for lane, groups in pairs(freed) do
      if call('ZRANGEBYLEX', TURNS, '[R' .. lane, '[R' .. lane .. '\\255', 'LIMIT', 0, 1)[1] then wake(lane, groups) end
    end
    freed = {}
    if not was_full then return end
    local places = room_at(queue_gate())
    local low = LANE_SPAN
    for _ = 1, 64 do
      local entry = places > 0 and call('ZRANGE', IDLE, low, '+inf', 'BYSCORE', 'LIMIT', 0, 1)[1]
      if not entry then return end
      local lane = sub(entry, 1, 2)
      if has_waiting(lane) then wake(lane, places) end
      low = (byte(lane, 1) * 256 + byte(lane, 2) + 1) * LANE_SPAN
    end
  end
  -- A part of what is kept, at each sweep: gates of which there is nothing to remember are forgotten, and a place is
  -- free again that a job has and does not use, since a program that knows no limits settled it.
  local function upkeep()
    local step = call('HSCAN', GATES, call('HGET', META, 'Gc') or '0', 'COUNT', ${LOOKED_AT})
    call('HSET', META, 'Gc', step[1])
    local orphans = {}
    for k = 1, #step[2], 2 do
      local field, kind = step[2][k], sub(step[2][k], 1, 1)
      if kind == 'u' and call('HEXISTS', RUNNING, sub(field, 2)) == 0 then orphans[#orphans + 1] = sub(field, 2)
      elseif kind == 'g' then
        local gate = gate_at(sub(field, 2))
        if gate.bound.rate then trim(gate) else gate.starts, gate.total = '', 0 end
        if gate.count == 0 and gate.starts == '' then dirty[gate.name] = gate end
      end
    end
    leave(orphans)
    save()
    wake_freed()
  end
  limits = { bounds = bounds, gates = gates, room_at = room_at, start = start, gate_at = gate_at, load_gates = load_gates,
    gates_of = gates_of, save = save, unpark_next = unpark_next, unpark_all = unpark_all, open_gates = open_gates, open_due = open_due,
    next_opening = next_opening, leave = leave, choose = choose, stand = stand, foresee = foresee, enter = enter, seat = seat, keys_of = keys_of,
    hold = hold, queue_gate = queue_gate, wake_freed = wake_freed, upkeep = upkeep,
    change = function(gate) dirty[gate.name] = gate end }
end
`;
