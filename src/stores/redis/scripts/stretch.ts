// The usual claim of jobs with keys, in Lua: one of each of the next groups, where nothing is in the way of any.
import { RECORD_SHARDS } from "../layout.ts";
import { JOB_BYTES, ROW_HEAD_BYTES } from "./rows.ts";

/** Values of an id's byte that lead to the same shard. */
const SHARD_SPAN = 256 / RECORD_SHARDS;

/*
 * A claim of one lane reads as many groups off the ring as it wants jobs. Where each has one gate, of which nothing but a
 * count is kept and which has room for more, and a first job that is worth starting, those jobs are what taking turns
 * would give, and no group's end changes what another may do. They are taken in columns then: a table for each group and
 * each gate, here and where they end, took 2.4 of the 14.8 us of the server that a job cost from claim to settlement.
 *
 * Anything else is left to turns.ts, to which what was read here is handed on: nothing has been changed by then.
 */

/** Within `claim_turns` of turns.ts. What was read of rows before has been written and forgotten. */
export const STRETCH: string = `
  -- The first jobs of groups, of their rows; nil where one has none there or is parked, or is to be parked now. Beside them
  -- what is to be kept of each: a text, true where more is to be read, or false, nothing.
  local function read_firsts(lane, texts, flags, counts, most)
    local firsts, rests = {}, {}
    for k = 1, #texts do
      local text = texts[k]
      local bytes = #text
      if bytes < ${ROW_HEAD_BYTES + JOB_BYTES} or byte(text, 8) ~= 0 then return nil end
      local rest = bytes > ${ROW_HEAD_BYTES + JOB_BYTES} and sub(text, 1, -${JOB_BYTES + 1}) or flags[k] == 1
      if rest and counts[k] + 1 >= most[k] and is_any_idle(lane) then return nil end
      firsts[k], rests[k] = sub(text, -16), rest
    end
    return firsts, rests
  end
  -- The records of jobs and what is beside them, with a command a shard; nil where one has more than its extras.
  local function read_usual(ids)
    local records, extras, asked = {}, {}, {}
    -- By the bits of their ids that say which shard they are in: those of one claim mostly have the same.
    local last, own, fields, places, count
    for k = 1, #ids do
      local id = ids[k]
      local low = byte(id, 6)
      local burst = low - low % ${SHARD_SPAN}
      if burst ~= last then
        last, own = burst, asked[burst]
        if not own then
          own = { fields = {}, places = {} }
          asked[burst] = own
        end
        fields, places, count = own.fields, own.places, #own.places
      end
      fields[2 * count + 1], fields[2 * count + 2] = id, id .. 'x'
      count = count + 1
      places[count] = k
    end
    for _, own in pairs(asked) do
      local values, places = call('HMGET', shard_of(own.fields[1]), unpack(own.fields)), own.places
      for at = 1, #places do
        local record, beside, k = values[2 * at - 1], values[2 * at], places[at]
        if not record or not beside or byte(record, 2) ~= EXTRAS then return nil end
        records[k], extras[k] = record, beside
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
    local list_of_keys = {}
    for k = 1, #members do list_of_keys[k] = sub(members[k], 10) end
    local gates, counts, most, texts, flags = limits.plain_counts(lane, list_of_keys)
    if not gates then return end
    local list_of_ids, rests = read_firsts(lane, texts, flags, counts, most)
    if not list_of_ids then return end
    local records, extras = read_usual(list_of_ids)
    if not records then return end
    cursor.ahead = nil
    local text_of_one, row_prefix, put, in_rows = plain_text(1), 'r' .. lane, 0, -#members
    local its_lane = cursor.lane
    for k = 1, #members do
      local keys, gate, beside, count, rest = list_of_keys[k], gates[k], extras[k], counts[k], rests[k]
      local mark = find(beside, '"O":', 1, true) and '+' .. keys or gate
      start_job(list_of_ids[k], records[k], its_lane, EXTRAS, beside, beside, mark)
      fields[put + 1], fields[put + 2] = gate, count == 0 and text_of_one or plain_text(count + 1)
      put = put + 2
      if rest == true then
        local jobs, has_more, read = rows.read_behind(lane .. keys, 0)
        for at = 1, #read do behind[#behind + 1] = read[at] end
        in_rows = in_rows + #read
        rest = read[1] and sub(texts[k], 1, 6) .. (has_more and '\\1' or '\\0') .. '\\0' .. jobs
      end
      if rest then
        fields[put + 1], fields[put + 2] = row_prefix .. keys, rest
        put = put + 2
      else out[#out + 1], gone[#gone + 1] = members[k], row_prefix .. keys end
    end
    count_taken(its_lane, #members)
    ids, turns = list_of_ids, #members
    fields[put + 1], fields[put + 2] = 'c' .. lane, sub(members[#members], 4)
    rows.add_counts({ [lane] = in_rows })
    return true
  end
`;
