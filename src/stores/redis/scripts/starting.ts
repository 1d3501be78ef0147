// Jobs that an exchange starts, in Lua: their running entries, and the texts in which they are given to the worker.

/**
 * Bytes of claimed jobs in one text: Lua puts a longer one together of texts of 8,192 bytes, each made and hashed, and
 * then hashes all of it once more. Jobs with keys, claimed by a hundred, took the server 117,600 instructions each in place of
 * 120,000.
 */
const TEXT_BYTES = 8_000;

/** Within an exchange: puts jobs together for the reply. */
export const GIVING: string = `
-- In few texts: as an element each they took the worker a tenth of its time to read.
local texts, packed, packed_count, packed_bytes, next_number = {}, {}, 0, 0, -1
-- Lengths as they are packed: those of most jobs of a call are the same.
local packed_lengths = {}
local function end_text()
  if packed_count > 0 then texts[#texts + 1] = table.concat(packed, '', 1, packed_count) end
  packed_count, packed_bytes = 0, 0
end
local function give(id, record, beside, number)
  local of_record, of_beside = #record, #beside
  local bytes = packed_bytes + of_record + of_beside + 24
  if number ~= next_number or bytes > ${TEXT_BYTES} then
    end_text()
    packed[1], packed_count, bytes = pack('>I6', number), 1, of_record + of_beside + 24
  end
  packed_bytes, next_number = bytes, number + 1
  local both = of_record * ${2 ** 24} + of_beside
  local lengths = packed_lengths[both]
  if not lengths then
    lengths = pack('>I4I4', of_record, of_beside)
    packed_lengths[both] = lengths
  end
  local at = packed_count
  packed[at + 1], packed[at + 2], packed[at + 3], packed[at + 4] = id, lengths, record, beside
  packed_count = at + 4
end
`;

/** Within an exchange, after the parts of a claim: starts jobs, and counts them. */
export const STARTING: string = `
local run_pairs, run_parts = {}, 0
-- What entries of running jobs begin with, all but the last digit of their tokens: by lane and flags, for ten jobs at a
-- time. A number put behind a text is made a text of its own first, by a way that knows fractions.
local DIGITS, stamps = { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' }, {}
local function stamp_of(lane, flags)
  local own = stamps[lane]
  if not own then own = {} stamps[lane] = own end
  local stamp = own[flags]
  if not stamp then
    stamp = string.char(flags) .. lane.number .. now6 .. claim .. (token < 10 and '' or floor(token / 10))
    own[flags] = stamp
  end
  return stamp
end
-- A job starts. beside: what is kept of its kin and its extras; mark: what it holds of limits, if anything.
local function start_job(id, record, lane, flags, beside, extras, mark)
  give(id, record, beside, token)
  local digit = token % 10
  if digit == 0 then stamps = {} end
  local stamp, at = stamp_of(lane, flags), run_parts
  run_pairs[at + 1], run_pairs[at + 2] = id, mark and stamp .. DIGITS[digit + 1] .. '\\0' .. mark or stamp .. DIGITS[digit + 1]
  run_parts = at + 2
  if with_events then
    local attempts = extras ~= '' and cjson.decode(extras).a or 0
    tell(id_text(id) .. lane.event .. (attempts + 1) .. '}')
  end
  token = token + 1
end
local function count_taken(lane, count)
  left = left - count
  offers[lane.offer] = offers[lane.offer] - count
end
local function take(id, record, lane, read, known_kin, mark)
  local flags = byte(record, 2)
  local extras, kin = read or '', ''
  if flags ~= 0 and not (read and flags == EXTRAS) then
    if has(flags, KIN) then kin = known_kin or call('HGET', shard_of(id), id .. 'k') end
    extras = read or has(flags, EXTRAS) and call('HGET', shard_of(id), id .. 'x') or ''
    -- A new try begins without the progress of the last one.
    if has(flags, PROGRESS) then
      call('HDEL', shard_of(id), id .. 'p')
      flags = flags - PROGRESS
    end
  end
  start_job(id, record, lane, flags, kin == '' and extras or kin .. extras, extras, mark)
  count_taken(lane, 1)
end
`;
