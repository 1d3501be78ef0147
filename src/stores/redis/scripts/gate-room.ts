// How many may pass a gate, in Lua: its bound on jobs at once, and its window of starts.

/** Steps in which a window of starts is kept, as in core's `noteStarts`. */
const STEPS_PER_WINDOW = 200;

/** Within `open_limits` of gates.ts. */
export const ROOM: string = `
  -- Drops what counts no more; starts far in the future are of a clock that was wrong.
  local function trim(gate)
    if trimmed[gate] then return end
    trimmed[gate] = true
    local starts, total, from, last, per = gate.starts, gate.total, 1, #gate.starts, gate.bound.per
    while from < last do
      local at_ms, count = parse('>I6I4', starts, from)
      if at_ms > now - per then break end
      total, from = total - count, from + 10
    end
    while last > from do
      local at_ms, count = parse('>I6I4', starts, last - 9)
      if at_ms <= now + per then break end
      total, last = total - count, last - 10
    end
    if from > 1 or last < #starts then gate.starts, gate.total = sub(starts, from, last), total end
  end
  -- How many more may start, and, where none may for a time, when.
  local function room_at(gate)
    local bound, room = gate.bound, INFINITE
    local rate = bound.rate
    if bound.concurrency then
      room = bound.concurrency - gate.count
      if room <= 0 then return 0 end
    end
    if gate.held > now then return 0, gate.held end
    if not rate then return room end
    trim(gate)
    local free = rate - gate.total
    if free > 0 then return math.min(room, free) end
    -- Where a lower limit was set, several entries must leave the window before there is room.
    local used = gate.total
    for at = 1, #gate.starts, 10 do
      local at_ms, count = parse('>I6I4', gate.starts, at)
      used = used - count
      if used < rate then return 0, math.max(now + 1, at_ms + bound.per) end
    end
    return 0, now + bound.per
  end
  -- Jobs start: a rate counts them.
  local function start(gate, count)
    if count == 0 then return end
    local rate, per = gate.bound.rate, gate.bound.per
    gate.count = gate.count + count
    if rate or gate.name ~= 'queue' then dirty[gate.name] = gate end
    if not rate then return end
    trim(gate)
    local step, starts = math.max(1, floor(per / ${STEPS_PER_WINDOW})), gate.starts
    if rate <= ${STEPS_PER_WINDOW} then step = 1 end
    local at_ms, before
    if starts ~= '' then at_ms, before = parse('>I6I4', starts, #starts - 9) end
    if at_ms and floor(at_ms / step) == floor(now / step) then
      gate.starts = sub(starts, 1, #starts - 10) .. pack('>I6I4', math.max(at_ms, now), before + count)
    else gate.starts = starts .. pack('>I6I4', now, count) end
    gate.total = gate.total + count
  end
`;
