// The usual claim of jobs with keys, in Lua: one of each of the next groups, where nothing is in the way of any.

/*
 * A claim of one lane reads as many groups off the ring as it wants jobs. Where each has one gate, of which nothing but a
 * count is kept and which has room for more, and a first job that is worth starting, those jobs are what taking turns
 * would give, and no group's end changes what another may do. They are taken in columns then: a table for each group and
 * each gate, here and where they end, took 2.4 of the 14.8 us of the server that a job cost from claim to settlement.
 *
 * Anything else is left to turns.ts, to which what was read here is handed on: nothing has been changed by then.
 */

/** Within `claim_turns` of turns.ts. */
export const STRETCH: string = `
  -- The first jobs of groups; nil where one has none, or has more and no room for them: it is to be parked.
  -- A range without an end, so that no text is made of one: what is found may be of another group.
  local function read_firsts(lane, list_of_keys, counts, most)
    local firsts, are_last = {}, {}
    local from, first, second = '[' .. lane, byte(lane, 1, 2)
    local function is_of(member, keys)
      local bytes = #keys
      if #member ~= bytes + 25 or find(member, keys, 3, true) ~= 3 or byte(member, bytes + 3) ~= 0 then return false end
      local own, other = byte(member, 1, 2)
      return own == first and other == second
    end
    for k = 1, #list_of_keys do
      local keys = list_of_keys[k]
      local heads = call('ZRANGEBYLEX', KEYED, from .. keys .. '\\0', '+', 'LIMIT', '0', '2')
      local member, behind = heads[1], heads[2]
      local is_last = not behind or not is_of(behind, keys)
      -- What is before one of the group is of it too.
      if is_last and not (member and is_of(member, keys)) or not is_last and counts[k] + 1 >= most[k] then return nil end
      firsts[k], are_last[k] = member, is_last
    end
    return firsts, are_last
  end
  -- The records of jobs and what is beside them, with a command a shard; nil where one has more than its extras.
  local function read_usual(ids)
    local records, extras, asked = {}, {}, {}
    for k = 1, #ids do
      local id = ids[k]
      local key = shard_of(id)
      local own = asked[key]
      if not own then own = { fields = {}, places = {}, count = 0 } asked[key] = own end
      local fields, count = own.fields, own.count + 1
      fields[2 * count - 1], fields[2 * count], own.places[count], own.count = id, id .. 'x', k, count
    end
    for key, own in pairs(asked) do
      local values, places = call('HMGET', key, unpack(own.fields)), own.places
      for at = 1, own.count do
        local record, beside = values[2 * at - 1], values[2 * at]
        if not record or not beside or byte(record, 2) ~= EXTRAS then return nil end
        records[places[at]], extras[places[at]] = record, beside
      end
    end
    return records, extras
  end
  -- Gives back whether it took all that is wanted.
  local function take_stretch(cursor)
    if offers[cursor.lane.offer] < left then return end
    local lane, members, plain_text = cursor.number, read_ring(cursor, left), limits.plain_text
    cursor.ahead = members
    -- Of fewer groups than jobs some have several turns.
    if cursor.dry then return end
    local list_of_keys, list_of_ids = {}, {}
    for k = 1, #members do list_of_keys[k] = sub(members[k], 10) end
    local gates, counts, most = limits.plain_counts(list_of_keys)
    if not gates then return end
    local firsts, are_last = read_firsts(lane, list_of_keys, counts, most)
    if not firsts then return end
    for k = 1, #firsts do list_of_ids[k] = sub(firsts[k], -16) end
    local records, extras = read_usual(list_of_ids)
    if not records then return end
    cursor.ahead = nil
    local text_of_one = plain_text(1)
    for k = 1, #members do
      local id, gate, beside = list_of_ids[k], gates[k], extras[k]
      take(id, records[k], cursor.lane, beside)
      under[4 * k - 3], under[4 * k - 2] = 'u' .. id, find(beside, '"O":', 1, true) and '+' .. list_of_keys[k] or gate
      under[4 * k - 1], under[4 * k] = gate, counts[k] == 0 and text_of_one or plain_text(counts[k] + 1)
      if are_last[k] then out[#out + 1], gone[#gone + 1] = members[k], 'r' .. lane .. list_of_keys[k] end
    end
    keyed, ids, turns, passed = firsts, list_of_ids, #members, 4 * #members
    fields[1], fields[2] = 'c' .. lane, sub(members[#members], 4)
    return true
  end
`;
