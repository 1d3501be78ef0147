// The hot path: settles what ended and claims what is ready, in one call.
import { FIXED_KEYS } from "../layout.ts";
import { MOVE, MOVE_ARGUMENTS } from "./move.ts";
import {
  LANES,
  LINES,
  PRELUDE,
  RECORDS,
  type Script,
  TELLING,
  WAKING,
  WRITING,
  script,
} from "./script.ts";

/** Takes from the sorted set when it has something, beside the lists. */
const CLAIM_MERGED = `
-- Jobs of several lanes, or of lists and the sorted set together: the lowest ranks win, then the lowest ids.
local function claim_merged()
  local found = {}
  local timed = call('ZCARD', TIMED) > 1
  for _, lane in ipairs(lanes) do
    local want = math.min(left, offers[lane.offer])
    if want > 0 and lane.slot > 0 then
      local ids = call('LRANGE', KEYS[${FIXED_KEYS} + lane.slot], 1, want + (tonumber(call('HGET', META, 'D' .. lane.slot) or 0)))
      local good, rank, last_id = 0, nil, nil
      for place, id in ipairs(ids) do
        if good == want then break end
        local record = call('HGET', shard_of(id), id)
        if record and byte(record, 1) == 76 then
          good = good + 1
          -- A list is taken from its head only: whatever its times say, what is behind counts as later.
          local own = struct.unpack('>I6', sub(record, 12, 17)) - lane.head_start
          if not rank or own > rank then rank, last_id = own, id
          elseif id > last_id then last_id = id end
          found[#found + 1] = { id = id, record = record, lane = lane, list = place, rank = rank, order = last_id }
        end
      end
    end
    if want > 0 and timed then
      local members = call('ZRANGEBYLEX', TIMED, '[' .. lane.number, '[' .. lane.number .. now6 .. '\\255', 'LIMIT', 0, want)
      for _, member in ipairs(members) do
        found[#found + 1] = { id = sub(member, 9), lane = lane, member = member, order = sub(member, 9), list = 0,
          rank = struct.unpack('>I6', sub(member, 3, 8)) - lane.head_start }
      end
    end
  end
  table.sort(found, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    if a.order ~= b.order then return a.order < b.order end
    return a.list < b.list
  end)
  local taken_of_list, members, index = {}, {}, {}
  local expired = 0
  for _, job in ipairs(found) do
    if left == 0 then break end
    if offers[job.lane.offer] > 0 then
      local record = job.record
      if job.member then
        record = call('HGET', shard_of(job.id), job.id)
        members[#members + 1] = job.member
      else
        taken_of_list[job.lane] = job.list
        job.lane.taken = (job.lane.taken or 0) + 1
      end
      if record and not is_expired(job.id, record) then
        take(job.id, record, job.lane)
        if job.member then index[#index + 1] = 'Bt' .. job.id end
      else expired = expired + 1 end
    end
  end
  for lane, count in pairs(taken_of_list) do
    call('LPOP', KEYS[${FIXED_KEYS} + lane.slot], count + 1)
    call('LPUSH', KEYS[${FIXED_KEYS} + lane.slot], '')
    if lane.taken < count then call('HINCRBY', META, 'D' .. lane.slot, lane.taken - count) end
    lane.taken = 0
  end
  if members[1] then
    -- What expired is out of the way of others from now on, and waits for the sweep.
    call('ZREM', TIMED, unpack(members))
    if index[1] then call('ZREM', INDEX, unpack(index)) end
    if expired > 0 then call('HINCRBY', META, 'X', expired) end
  end
  return expired > 0
end
`;

/** The usual case: one lane with a list, nothing in the sorted set. */
const CLAIM_LIST = `
local function claim_list(lane)
  local want = math.min(left, offers[lane.offer])
  local list = KEYS[${FIXED_KEYS} + lane.slot]
  local ids = call('LPOP', list, want + 1)
  call('LPUSH', list, '')
  local n = #ids
  if n == 1 then return true end
  local from = 2
  while from <= n do
    local burst = floor(byte(ids[from], 6) / 32)
    local to = from
    while to < n and floor(byte(ids[to + 1], 6) / 32) == burst do to = to + 1 end
    local records = call('HMGET', shard_of(ids[from]), unpack(ids, from, to))
    for k = from, to do
      local record = records[k - from + 1]
      if record and byte(record, 1) == 76 then take(ids[k], record, lane) else lane.marks = (lane.marks or 0) + 1 end
    end
    from = to + 1
  end
  return n <= want
end
`;

/*
 * keys: the room's.
 * arguments: nonce, nonces of replies that arrived, worker, 1 when events come with the plain settlements, number of
 *   plain settlements, of moves, of plain settlements that end a step of a workflow run, which come last; then, for
 *   plain settlements (succeeded, nothing to keep): ids, claims (worker, zero byte, token), events, and what runs are
 *   told (move.ts); the moves (move.ts); then, if something is to be claimed: capacity,
 *   version of the lanes that the caller knows, prefix and first number of tokens, ms of a lease that may be made
 *   anew or "", 1 when this worker is in the idle registry, its free slots in all, number of lanes, of offers; each lane: number, list, head
 *   start, offer, start of the event that a job of it was started; the offers' capacities.
 * reply: [server time, 1 if somebody follows, letters of the settlements (a accepted, s stale, g gone, c changed: read
 *   and try again), claim: "" none asked, "l" no lease, "v" lanes changed (the lanes follow: field, lane, ...),
 *   "p" paused, "c" claimed; ms until a job of these lanes is due or -1; 1 if more may be claimable; 1 if the worker
 *   is in the idle registry; then id, record, what is kept of its kin (where there is any) and extras, number of token
 *   of each claimed job]
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
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce, 'P')
open_room(meta[1])
local followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
local before = meta[3]
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
  local ended, by_shard, steps, heavy = {}, {}, {}, {}
  for k = 1, plain_count do
    local id, run = ARGV[at + k - 1], runs[k]
    local flags = run and byte(run, 1)
    local is_step = k > plain_count - step_count
    if not run or sub(run, 10) ~= ARGV[at + plain_count + k - 1] then
      letters[k] = call('HEXISTS', shard_of(id), id) == 1 and 's' or 'g'
    elseif has(flags, KIN) and not is_step and sub(call('HGET', shard_of(id), id .. 'k'), 1, 16) ~= NOBODY then
      -- Its settler did not know that a run waits for it.
      letters[k] = 'c'
    else
      letters[k] = 'a'
      ended[#ended + 1] = id
      if is_step then note_ending(id, ARGV[endings_at + k - 1]) end
      if flags == 0 or flags == KIN then
        local burst = floor(byte(id, 6) / 32)
        local group = flags == 0 and by_shard or steps
        local ids = group[burst]
        if not ids then ids = {} group[burst] = ids end
        ids[#ids + 1] = id
      else heavy[#heavy + 1] = { id, flags } end
      if with_events then tell(ARGV[at + 2 * plain_count + k - 1]) end
    end
  end
  if ended[1] then call('HDEL', RUNNING, unpack(ended)) end
  for burst, ids in pairs(by_shard) do call('HDEL', shard_of(ids[1]), unpack(ids)) end
  for burst, ids in pairs(steps) do purge_steps(ids) end
  for _, job in ipairs(heavy) do purge(job[1], job[2], shard_of(job[1])) end
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
  wake_moved()
  if plain_count + move_count > 0 or wants_claim then remember(nonce, table.concat(letters), arrived) end
else letters = { sub(before, 7) } end

local reply = { now, followed, table.concat(letters), '', -1, 0, 0 }
if not wants_claim then return reply end
at = claim_at
local capacity, version, prefix, first_token = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
local lease_ms, is_idle, free = ARGV[at + 4], ARGV[at + 5] == '1', tonumber(ARGV[at + 6])
local lane_count, offer_count = tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])
at = at + 8
local claim = worker .. '\\0' .. prefix
local claimed = #reply
local token = first_token

if before then
  -- The first reply was lost: hand out again what it claimed, and no more.
  reply[4] = 'c'
  reply[6] = 1
  local all = call('HGETALL', RUNNING)
  for k = 1, #all, 2 do
    if sub(all[k + 1], 10, 9 + #claim) == claim then
      local number = tonumber(sub(all[k + 1], 10 + #claim))
      if number >= first_token and number < first_token + capacity then
        local id = all[k]
        local key = shard_of(id)
        reply[claimed + 1], reply[claimed + 2] = id, call('HGET', key, id)
        local kin = has(byte(reply[claimed + 2], 2), KIN) and call('HGET', key, id .. 'k') or ''
        reply[claimed + 3], reply[claimed + 4] = kin .. (call('HGET', key, id .. 'x') or ''), number
        claimed = claimed + 4
      end
    end
  end
  return reply
end

local leases = call('ZMSCORE', TIMERS, 'l' .. worker, 'z' .. worker)
if leases[2] or (not leases[1] and lease_ms == '') then
  reply[4] = 'l'
  return reply
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
  return reply
end
reply[4] = 'c'
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

local left = capacity
local run_pairs = {}
local function take(id, record, lane)
  local flags = byte(record, 2)
  local extras, kin = '', ''
  if flags ~= 0 then
    if has(flags, KIN) then kin = call('HGET', shard_of(id), id .. 'k') end
    extras = has(flags, EXTRAS) and call('HGET', shard_of(id), id .. 'x') or ''
    -- A new try begins without the progress of the last one.
    if has(flags, PROGRESS) then
      call('HDEL', shard_of(id), id .. 'p')
      flags = flags - PROGRESS
    end
  end
  reply[claimed + 1], reply[claimed + 2], reply[claimed + 3], reply[claimed + 4] = id, record, kin .. extras, token
  claimed = claimed + 4
  local n = #run_pairs
  run_pairs[n + 1] = id
  local stamp_of_lane = lane.stamp
  if not stamp_of_lane then
    stamp_of_lane = lane.number .. now6 .. claim
    lane.stamp = stamp_of_lane
  end
  run_pairs[n + 2] = string.char(flags) .. stamp_of_lane .. token
  if with_events then
    local attempts = extras ~= '' and cjson.decode(extras).a or 0
    tell(id_text(id) .. lane.event .. (attempts + 1) .. '}')
  end
  token = token + 1
  left = left - 1
  offers[lane.offer] = offers[lane.offer] - 1
end
local function is_expired(id, record)
  if not has(byte(record, 2), EXPIRES) then return false end
  local at_ms = call('ZSCORE', TIMERS, 'x' .. id)
  return not at_ms or tonumber(at_ms) <= now
end
${CLAIM_MERGED}
${CLAIM_LIST}
local timed = call('ZCARD', TIMED) > 1
local more = false
if capacity == 0 then
  -- A peek: is there anything?
  for _, lane in ipairs(lanes) do
    if lane.slot > 0 and call('LLEN', KEYS[${FIXED_KEYS} + lane.slot]) > 1 then more = true break end
    if timed and call('ZRANGEBYLEX', TIMED, '[' .. lane.number, '[' .. lane.number .. now6 .. '\\255', 'LIMIT', 0, 1)[1] then more = true break end
  end
elseif lane_count == 1 and lanes[1].slot > 0 and not timed then
  local lane = lanes[1]
  local dry = call('LLEN', KEYS[${FIXED_KEYS} + lane.slot]) == 1
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
reply[6] = more and 1 or 0
-- With slots left the worker waits for a message; without, none may be sent to it.
free = math.min(free - capacity + left, LANE_SPAN - 1)
if free > 0 and not more then
  reply[7] = 1
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
return reply
`;

export const EXCHANGE: Script = script(
  "exchange",
  "settle",
  PRELUDE,
  WRITING,
  TELLING,
  WAKING,
  LANES,
  RECORDS,
  LINES,
  MOVE,
  BODY,
);
