// The hot path: settles what ended and claims what is ready, in one call.
import { FIXED_KEYS } from "../layout.ts";
import { CLAIM_LIST, CLAIM_MERGED } from "./claim.ts";
import { LIMITS } from "./gates.ts";
import { GIVING, STARTING } from "./starting.ts";
import { ROWS } from "./rows.ts";
import { KEEP_ENDINGS, MOVE, MOVE_ARGUMENTS } from "./move.ts";
import { LANES, LINES, PRELUDE, RECORDS, type Script, TELLING, WRITING, script } from "./script.ts";
import { TAKES_HANDED, TAKES_HANDED_AND_IS_SEEN, WAKING } from "./waking.ts";
import { CLAIM_TURNS } from "./turns.ts";

/*
 * keys: the room's.
 * arguments: nonce, nonces of replies that arrived, worker, 1 when events come with the plain settlements, number of
 *   plain settlements, of moves, of plain settlements that end a step of a workflow run, which come last; then, for
 *   plain settlements (succeeded, nothing to keep): ids, claims (worker, zero byte, token), events, and what runs are
 *   told (argument 17 in move.ts); the moves (move.ts); then, if something is to be claimed: capacity,
 *   version of the lanes that the caller knows, prefix and first number of tokens, ms of a lease that may be made
 *   anew or "", 1 when this worker is in the idle registry, its free slots in all, "" or, when it takes
 *   jobs that are handed to it, "+" ("&" where this server sees whether it lives: presence.ts) and the token of the one
 *   that it heard of last, number of lanes, of offers; each lane: number, list, head
 *   start, offer, start of the event that a job of it was started; the offers' capacities.
 * reply: [server time, 1 if somebody follows, letters of the settlements (a accepted, s stale, g gone, c changed: read
 *   and try again), claim: "" none asked, "l" no lease, "v" lanes changed (the lanes follow: field, lane, ...),
 *   "p" paused, "c" claimed; ms until a job of these lanes is due or -1; 1 if more may be claimable; 1 if the worker
 *   is in the idle registry; claimed jobs, in a list of texts, where there are any: the number of the token of the first
 *   (6), which the others' follow, then of each: id, bytes (4) of its record and (4) of what is kept of its kin (where
 *   there is any) and extras, and these two; the whole token of the first, where that was handed to the worker, which did
 *   not say yet that it heard of it]
 *   [-1] when somebody follows and no events came: nothing was written.
 * cost: settling plain jobs and claiming plain jobs of one lane: 6 commands and 3 a shard touched, whatever the number
 *   of jobs.
 */
const BODY = `
local nonce, arrived, worker, with_events = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local plain_count, move_count, step_count = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local at = 8
local endings_at = at + plain_count * (with_events and 3 or 2) - (plain_count - step_count)
local claim_at = at + plain_count * (with_events and 3 or 2) + step_count + move_count * ${MOVE_ARGUMENTS}
local wants_claim = ARGV[claim_at] ~= nil
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce, 'P', 'G', 'H' .. worker)
open_room(meta[1])
local followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
local before = meta[3]
if meta[5] then open_limits(meta[5]) end
if followed == 1 and not with_events and (plain_count > 0 or wants_claim) and not before then return { -1 } end

local letters = {}
-- The usual step: nothing is kept of it but the run that made it.
local function purge_steps(ids)
  local key, fields, drop = shard_of(ids[1]), {}, {}
  for k, id in ipairs(ids) do fields[k] = id .. 'k' end
  for k, kin in ipairs(call('HMGET', key, unpack(fields))) do
    if sub(kin, 21) == '-' then
      drop[#drop + 1] = ids[k]
      drop[#drop + 1] = fields[k]
    else purge(ids[k], KIN, key) end
  end
  if drop[1] then call('HDEL', key, unpack(drop)) end
end
local function settle_plain()
  local runs = call('HMGET', RUNNING, unpack(ARGV, at, at + plain_count - 1))
  local ended, ended_count, by_shard, steps, heavy, heavy_flags, heavy_count = {}, 0, {}, {}, {}, {}, 0
  local marks, standing = {}, {}
  for k = 1, plain_count do
    local id, run = ARGV[at + k - 1], runs[k]
    local flags = run and byte(run, 1)
    local is_step = k > plain_count - step_count
    local its_claim = ARGV[at + plain_count + k - 1]
    if not run or find(run, its_claim, 10, true) ~= 10 or #run > #its_claim + 9 and byte(run, 10 + #its_claim) ~= 0 then
      letters[k] = call('HEXISTS', shard_of(id), id) == 1 and 's' or 'g'
    elseif flags >= KIN and not is_step and sub(call('HGET', shard_of(id), id .. 'k'), 1, 16) ~= NOBODY then
      -- Its settler did not know that a run waits for it.
      letters[k] = 'c'
    else
      letters[k] = 'a'
      ended_count = ended_count + 1
      ended[ended_count] = id
      if is_step then note_ending(ARGV[endings_at + k - 1]) end
      if flags == 0 or flags == KIN then
        local burst = floor(byte(id, 6) / 32)
        local group = flags == 0 and by_shard or steps
        local ids = group[burst]
        if not ids then ids = {} group[burst] = ids end
        ids[#ids + 1] = id
      else
        heavy_count = heavy_count + 1
        heavy[heavy_count], heavy_flags[heavy_count] = id, flags
        if #run > #its_claim + 9 then
          local mark = sub(run, #its_claim + 11)
          marks[#marks + 1] = mark
          if byte(mark) == 43 then standing[#standing + 1] = id end
        end
      end
      if with_events then tell(ARGV[at + 2 * plain_count + k - 1]) end
    end
  end
  if ended[1] then call('HDEL', RUNNING, unpack(ended)) end
  for burst, ids in pairs(by_shard) do call('HDEL', shard_of(ids[1]), unpack(ids)) end
  for burst, ids in pairs(steps) do purge_steps(ids) end
  if limits then limits.leave(marks) end
  for _, id in ipairs(standing) do end_standing(id, shard_of(id)) end
  local with_extras = {}
  for k = 1, heavy_count do
    local id, key = heavy[k], shard_of(heavy[k])
    if heavy_flags[k] == EXTRAS then
      local fields = with_extras[key]
      if not fields then fields = {} with_extras[key] = fields end
      local n = #fields
      fields[n + 1], fields[n + 2] = id, id .. 'x'
    else purge(id, heavy_flags[k], key) end
  end
  for key, fields in pairs(with_extras) do call('HDEL', key, unpack(fields)) end
end
if not before then
  -- Whoever claims in this very call learns when to look again; others must be told.
  quiet_about_later = wants_claim
  if plain_count > 0 then settle_plain() end
  at = at + plain_count * (with_events and 3 or 2) + step_count
  for _ = 1, move_count do
    letters[#letters + 1] = move(at)
    at = at + ${MOVE_ARGUMENTS}
  end
  keep_endings()
  publish_told()
  if limits then limits.save() end
  wake_moved()
  if plain_count + move_count > 0 or wants_claim then remember(nonce, table.concat(letters), arrived) end
else letters = { say_again(nonce, before) } end

local reply = { now, followed, table.concat(letters), '', -1, 0, 0 }
${GIVING}local function without_claim()
  if limits then limits.wake_freed() end
  end_text()
  if texts[1] then table.insert(reply, 8, texts) end
  return reply
end
if not wants_claim then return without_claim() end
at = claim_at
local capacity, version, prefix, first_token = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
local lease_ms, is_idle, free = ARGV[at + 4], ARGV[at + 5] == '1', tonumber(ARGV[at + 6])
local takes_handed, heard = ARGV[at + 7] ~= '', sub(ARGV[at + 7], 2)
local is_seen = sub(ARGV[at + 7], 1, 1) == '&'
local lane_count, offer_count = tonumber(ARGV[at + 8]), tonumber(ARGV[at + 9])
at = at + 9
local claim = worker .. '\\0' .. prefix
local token = first_token

local handed = meta[6]
if handed then
  local id, its_token = sub(handed, 1, 16), sub(handed, 17)
  local run = takes_handed and its_token ~= heard and call('HGET', RUNNING, id)
  local record = run and is_of(run, worker .. '\\0' .. its_token) and call('HGET', shard_of(id), id)
  if record then handed = { id, record, its_token }
  else
    call('HDEL', META, 'H' .. worker)
    handed = nil
  end
end
local function tell_handed()
  if not handed then return end
  give(handed[1], handed[2], '', 0)
  reply[8] = handed[3]
end

if before then
  -- The first reply was lost: hand out again what it claimed, and no more.
  reply[4] = 'c'
  -- What else the first reply said is not known any more: look again at once.
  reply[5], reply[6] = 0, 1
  tell_handed()
  local all = call('HGETALL', RUNNING)
  for k = 1, #all, 2 do
    if sub(all[k + 1], 10, 9 + #claim) == claim then
      local number = tonumber(string.match(all[k + 1], '^%d+', 10 + #claim))
      if number >= first_token and number < first_token + capacity then
        local id = all[k]
        local key = shard_of(id)
        local record = call('HGET', key, id)
        local kin = has(byte(record, 2), KIN) and call('HGET', key, id .. 'k') or ''
        give(id, record, kin .. (call('HGET', key, id .. 'x') or ''), number)
      end
    end
  end
  return without_claim()
end

local leases = call('ZMSCORE', TIMERS, 'l' .. worker, 'z' .. worker)
if leases[2] or (not leases[1] and lease_ms == '') then
  reply[4] = 'l'
  return without_claim()
end
if not leases[1] then call('ZADD', TIMERS, now + lease_ms, 'l' .. worker) end
if version ~= (meta[1] or call('HGET', META, 'v')) then
  reply[4] = 'v'
  local all = call('HGETALL', META)
  for k = 1, #all, 2 do
    local field = all[k]
    if byte(field, 1) == 100 or field == 'v' then
      reply[#reply + 1] = field
      reply[#reply + 1] = all[k + 1]
    end
  end
  return without_claim()
end
reply[4] = 'c'
tell_handed()
local lanes, offers = {}, {}
for k = 1, lane_count do
  lanes[k] = { number = ARGV[at + 1], slot = tonumber(ARGV[at + 2]), head_start = tonumber(ARGV[at + 3]), offer = tonumber(ARGV[at + 4]),
    event = ARGV[at + 5] }
  at = at + 5
end
for k = 1, offer_count do offers[k] = tonumber(ARGV[at + k]) end
if meta[4] then
  reply[4] = 'p'
  lane_count = 0
  lanes = {}
end

-- What the limit of the whole queue keeps this call from taking, and when that changes by itself.
local left, kept_back, opens_at = capacity, 0, nil
local has_turns = false
for _, lane in ipairs(lanes) do has_turns = has_turns or lane.slot < 0 end
if has_turns and not limits then
  -- From now on settling looks for keys.
  call('HSETNX', META, 'G', '0\\n')
  open_limits('')
end
local room = math.huge
if limits then
  room, opens_at = limits.room_at(limits.queue_gate())
  kept_back = math.max(0, left - room)
  left = left - kept_back
end
${STARTING}local function is_expired(id, record)
  if not has(byte(record, 2), EXPIRES) then return false end
  local at_ms = call('ZSCORE', TIMERS, 'x' .. id)
  return not at_ms or tonumber(at_ms) <= now
end
local timed = call('ZCARD', TIMED) > 1
${CLAIM_MERGED}
${CLAIM_LIST}
${CLAIM_TURNS}
local more = false
if room <= 0 then
  -- Nothing may start: who makes room tells it, or it is looked again when the time comes.
elseif capacity == 0 then
  -- A peek: is there anything?
  if has_turns then limits.open_due() end
  for _, lane in ipairs(lanes) do
    if lane.slot > 0 and call('LLEN', KEYS[${FIXED_KEYS} + lane.slot]) > 1 then more = true break end
    if timed and call('ZRANGEBYLEX', TIMED, '[' .. lane.number, '[' .. lane.number .. now6 .. '\\255', 'LIMIT', 0, 1)[1] then more = true break end
    if lane.slot == -1 and call('ZRANGEBYLEX', TURNS, '[R' .. lane.number, '[R' .. lane.number .. '\\255', 'LIMIT', 0, 1)[1] then more = true break end
  end
elseif has_turns then
  limits.open_due()
  more = claim_turns()
elseif lane_count == 1 and lanes[1].slot > 0 and not timed then
  local lane = lanes[1]
  local dry
  if left == 0 or offers[lane.offer] == 0 then dry = call('LLEN', KEYS[${FIXED_KEYS} + lane.slot]) == 1 end
  while not dry and left > 0 and offers[lane.offer] > 0 do dry = claim_list(lane) end
  more = not dry
  if lane.marks then call('HINCRBY', META, 'D' .. lane.slot, -lane.marks) end
elseif lane_count > 0 then
  more = true
  -- Where expired ones were in the way, there may be others behind them.
  for _ = 1, 1000 do
    if not claim_merged() or left == 0 then break end
  end
  more = left == 0
end
if run_pairs[1] then
  call('HSET', RUNNING, unpack(run_pairs))
  publish_told()
end
if limits then
  local whole = limits.gate_at('queue')
  limits.start(whole, token - first_token)
  limits.save()
  if kept_back > 0 and left == 0 then more = false end
  -- A rate that this very call used up says from now on when to look again.
  local room, opens = limits.room_at(whole)
  opens_at = room <= 0 and opens or nil
  local next_opening = limits.next_opening()
  if next_opening and (not opens_at or next_opening < opens_at) then opens_at = next_opening end
end
left = left + kept_back

if timed then
  local next_due
  for _, lane in ipairs(lanes) do
    local member = call('ZRANGEBYLEX', TIMED, '(' .. lane.number .. now6 .. '\\255', '[' .. lane.number .. '\\255', 'LIMIT', 0, 1)[1]
    if member then
      local due = struct.unpack('>I6', sub(member, 3, 8))
      if not next_due or due < next_due then next_due = due end
    end
  end
  if next_due then reply[5] = next_due - now end
end
if opens_at and (reply[5] < 0 or opens_at - now < reply[5]) then reply[5] = opens_at - now end
if look_at_once then reply[5] = 0 end
reply[6] = more and 1 or 0
-- With slots left the worker waits for a message; without, none may be sent to it.
free = math.min(free - capacity + left, LANE_SPAN - 2)
if free > 0 and not more then
  reply[7] = 1
  -- A part more: it takes jobs that are handed to it.
  if takes_handed and not handed then free = free + (is_seen and ${TAKES_HANDED_AND_IS_SEEN} or ${TAKES_HANDED}) end
  local entries = {}
  for _, lane in ipairs(lanes) do
    if offers[lane.offer] > 0 then
      entries[#entries + 1] = (byte(lane.number, 1) * 256 + byte(lane.number, 2)) * LANE_SPAN + free
      entries[#entries + 1] = lane.number .. worker
    end
  end
  -- Nothing here is for this worker yet: as one of lane 0 it is told of new lanes and of the end of a pause.
  if not entries[1] then entries = { free, '\\0\\0' .. worker } end
  call('ZADD', IDLE, unpack(entries))
elseif is_idle then
  local entries = { '\\0\\0' .. worker }
  for _, lane in ipairs(lanes) do entries[#entries + 1] = lane.number .. worker end
  call('ZREM', IDLE, unpack(entries))
end
return without_claim()
`;

/** An exchange by what it does with the ends of steps. */
export function exchangeParts(endings: string): readonly string[] {
  return [
    PRELUDE,
    WRITING,
    TELLING,
    WAKING,
    ROWS,
    LIMITS,
    LANES,
    RECORDS,
    LINES,
    MOVE,
    endings,
    BODY,
  ];
}

export const EXCHANGE: Script = script("exchange", "settle", ...exchangeParts(KEEP_ENDINGS));
