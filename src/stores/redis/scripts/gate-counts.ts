// What is kept of gates, in Lua: read, reckoned with and written again.

/** Within `open_limits` of gates.ts. */
export const GATES: string = `
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
    if not are_several(keys, 1) then return nil end
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
  -- What is kept of gates by how many run under them, where nothing else is to be remembered, and the other way round.
  local PLAIN_REST = string.rep('\\0', 17)
  local texts_of_counts, counts_of_texts = {}, {}
  local function plain_text(count)
    local text = texts_of_counts[count]
    if not text then
      text = pack('>I4', count) .. PLAIN_REST
      texts_of_counts[count], counts_of_texts[text] = text, count
    end
    return text
  end
  -- How many run under a gate; nil where there is more to remember of it.
  local function plain_count(text)
    if not text then return 0 end
    local count = counts_of_texts[text]
    if not count and sub(text, 5) == PLAIN_REST then
      count = parse('>I4', text)
      plain_text(count)
    end
    return count
  end
  -- Of groups, as if each had one gate: the fields of these, how many run there, how many may, their rows and the flags of
  -- these; nil where anything else is to be remembered of one, or it has no room.
  local function plain_counts(lane, list_of_keys)
    local fields, most, counts, texts, flags_of, n = {}, {}, {}, {}, {}, #list_of_keys
    local asked, row_prefix, has_gates = {}, 'r' .. lane, next(gates) ~= nil
    -- What names of gates begin with, and what is allowed there: mostly of one limit, so it is looked up once.
    local limit, bound
    for k = 1, n do
      local keys = list_of_keys[k]
      if not limit or find(keys, limit, 1, true) ~= 1 then
        limit = sub(keys, 1, find(keys, '\\1', 1, true))
        bound = bounds[sub(limit, 1, -2)] or UNBOUNDED
      end
      if bound.rate or has_gates and gates[keys] then return nil end
      local field, at = 'g' .. keys, 2 * k
      fields[k], most[k] = field, bound.concurrency or INFINITE
      asked[at - 1], asked[at] = field, row_prefix .. keys
    end
    local values = read_fields(GATES, asked)
    for k = 1, n do
      local at = 2 * k
      local value, text = values[at - 1], values[at]
      local count = value and (counts_of_texts[value] or plain_count(value)) or not value and 0
      local flags = text and byte(text, 7)
      if not count or count >= most[k] or not flags or flags > 1 then
        -- Whoever goes on need not read them again.
        for at = 1, n do
          if gates[list_of_keys[at]] == nil and not are_several(list_of_keys[at], 1) then gate_of(list_of_keys[at], values[2 * at - 1]) end
        end
        return nil
      end
      counts[k], texts[k], flags_of[k] = count, text, flags
    end
    return fields, counts, most, texts, flags_of
  end
  -- Writes what changed; a gate that is shut until a time notes it, so that somebody looks again.
  local function save()
    rows.save()
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
        local value = is_plain and plain_text(count)
          or pack('>I4I6I6BI4', count, gate.held, gate.opens, gate.parked, gate.total) .. gate.starts
        write[written + 1], write[written + 2] = 'g' .. name, value
        written = written + 2
      end
    end
    dirty = {}
    in_parts('HSET', GATES, write)
    in_parts('HDEL', GATES, drop)
  end
`;
