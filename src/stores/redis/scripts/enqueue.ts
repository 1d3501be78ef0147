// Keeps new jobs.
import { FIXED_KEYS } from "../layout.ts";
import { LIMITS } from "./gates.ts";
import { HAND_OVER } from "./hand-over.ts";
import { ROWS } from "./rows.ts";
import { LANES, PRELUDE, type Script, TELLING, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/** How long whoever enqueued has to cancel what its jobs took the place of, before a sweep does. */
const OVERTAKEN_MS = 10_000;

/*
 * keys: the room's.
 * arguments: nonce, nonces of replies that arrived, 1 when events come with the jobs, number of lanes, of groups of
 *   plain jobs, of special jobs; the lanes' fields; each group: lane, number of jobs, ids in ascending order, inputs,
 *   events; each special job: id, lane, due ("+ms" from now or a time), flags, ms to expiry or "", extras, number of
 *   tags, tags, input, event, the run that made it or "", "" or its keys: a letter for each that says what is done where as many stand as may run
 *   (w waits, d drops the new one, c cancels the oldest), zero byte, keys as gates.ts has them.
 * reply: [server time, 1 if somebody follows, states in the order of the arguments, a letter a job]: capital: new, R
 *   ready, S scheduled; small: was known, r, s, u running, w waiting, p succeeded, f failed, c cancelled; d: the queue is draining,
 *   and it was not kept; x: dropped for a limit. After the letters, where there are any, jobs that must be cancelled for
 *   those that were kept: zero byte, id (32 hex digits), gate.
 *   [-1] when somebody follows and no events came: nothing was written.
 * cost: plain jobs 3 commands a group and shard; a lone one that is handed to a worker (hand-over.ts) 14 in all; special jobs 2
 *   commands a shard and 7 in all, one more for each that waits by time, expires, or may drop or cancel.
 */
const BODY = `
local nonce, arrived, with_events = ARGV[1], ARGV[2], ARGV[3] == '1'
local lane_count, group_count, special_count = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local at = 6
local known = call('HMGET', META, 'v', 'W', 'n' .. nonce, 'Q', 'G', 'P', unpack(ARGV, at + 1, at + lane_count))
local draining = known[4]
-- A draining queue takes the steps of runs in, which are special.
local closed = draining and special_count == 0
local unknown = 0
for k = 1, lane_count do if not known[6 + k] then unknown = unknown + 1 end end
if not known[3] and not closed and lacks_lanes(unknown) then return redis.error_reply('LANES too many') end
open_room(known[1])
local followed = known[2] and tonumber(known[2]) > server_now and 1 or 0
if known[3] then return { now, followed, say_again(nonce, known[3]) } end
if followed == 1 and not with_events then return { -1 } end
local lanes = {}
for k = 1, lane_count do
  lanes[k] = known[6 + k] or false
  if lanes[k] then spoken_for[byte(lanes[k], 3)] = true end
end
for k = 1, lane_count do
  if not lanes[k] and not closed then lanes[k] = make_lane(ARGV[at + k], sub(ARGV[at + k], 2, 2) == '[') end
end
at = at + lane_count
if known[5] then open_limits(known[5]) end

local LETTERS = { L = 'r', P = 'w', S = 'p', F = 'f', C = 'c' }
local function state_of(id, record)
  local run = call('HGET', RUNNING, id)
  if run and has(byte(run, 1), KIN) and sub(call('HGET', shard_of(id), id .. 'k'), 21) == 'w' then return 'w' end
  if run then return 'u' end
  local place = sub(record, 1, 1)
  if place == 'T' then return due_of(record) <= now and 'r' or 's' end
  return LETTERS[place]
end

local states, overtaken = {}, {}
local ready, later = {}, {}
-- What is written once at the end: places of the index and of the list of arrivals, fields of the shards.
local index, arrivals, of_shard = {}, {}, {}
local function add_index(member)
  local n = #index
  index[n + 1], index[n + 2] = '0', member
end
local newest
local function write_field(key, field, value)
  local fields = of_shard[key]
  if not fields then fields = {} of_shard[key] = fields end
  local n = #fields
  fields[n + 1], fields[n + 2] = field, value
end
local function write_all()
  for key, fields in pairs(of_shard) do in_parts('HSET', key, fields) end
  in_parts('ZADD', INDEX, index)
  in_parts('RPUSH', ARRIVALS, arrivals)
  if limits then limits.seat() end
end
local function add_timed(id, lane, due6)
  call('ZADD', TIMED, '0', lane .. due6 .. id)
  add_index('Bt' .. id)
end

-- A job with keys that may start now waits in its group. Gives back whether that is in the ring: one that a limit holds
-- wakes nobody.
local function add_keyed(id, lane, due6, keys)
  newest = newest or call('LINDEX', ARRIVALS, -1)
  if not newest then
    -- In a room of an older program.
    call('RPUSH', ARRIVALS, '')
    newest = ''
  end
  if precedes(newest, id) then
    arrivals[#arrivals + 1] = id
    newest = id
  else add_index('Bt' .. id) end
  return limits.enter(lane, keys, due6 .. id)
end
-- Of the keys of jobs as they are given: the group, and what is done where as many stand as may run, or false.
local groups, choices_of = {}, {}
local function may_come_in(id, keyed)
  if not limits then
    -- The first job with keys: from now on settling looks for them.
    call('HSETNX', META, 'G', '0\\n')
    open_limits('')
  end
  local choices, keys = choices_of[keyed], groups[keyed]
  if not choices then return true end
  local over = limits.choose(choices, keys)
  if not over then return false end
  for _, job in ipairs(over) do
    call('ZREM', TURNS, job.member)
    -- Until whoever enqueued says that it is done; a sweep does what it left.
    call('ZADD', TIMERS, now + ${OVERTAKEN_MS}, 'd' .. job.id)
    overtaken[#overtaken + 1] = '\\0' .. string.format(string.rep('%02x', 16), byte(job.id, 1, 16)) .. job.gate
  end
  limits.stand(id, choices, keys)
  return true
end

for _ = 1, group_count do
  local lane_ref, n = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local first = at + 3
  -- Of a draining queue no job is kept: whatever it is in does not matter.
  local entry = lanes[lane_ref] or '\\0\\0\\0'
  local lane, slot = sub(entry, 1, 2), byte(entry, 3)
  local head = (slot > 0 and 'L' or 'T') .. '\\0\\0' .. lane .. now6 .. now6
  local added = 0
  local from = 0
  while from < n do
    local id = ARGV[first + from]
    local burst = floor(byte(id, 6) / 32)
    local to = from
    while to + 1 < n and floor(byte(ARGV[first + to + 1], 6) / 32) == burst do to = to + 1 end
    local key = shard_of(id)
    local kept = call('HMGET', key, unpack(ARGV, first + from, first + to))
    local write, fresh = { }, { }
    for k = from, to do
      local record = kept[k - from + 1]
      if record then states[#states + 1] = state_of(ARGV[first + k], record)
      elseif draining then states[#states + 1] = 'd'
      else
        states[#states + 1] = 'R'
        fresh[#fresh + 1] = ARGV[first + k]
        write[#write + 1] = ARGV[first + k]
        write[#write + 1] = head .. ARGV[first + n + k]
        if with_events then tell(ARGV[first + 2 * n + k]) end
      end
    end
    if fresh[1] then
      call('HSET', key, unpack(write))
      if slot > 0 then call('RPUSH', KEYS[${FIXED_KEYS} + slot], unpack(fresh))
      else for _, id in ipairs(fresh) do add_timed(id, lane, now6) end end
      added = added + #fresh
    end
    from = to + 1
  end
  if added > 0 then ready[lane] = (ready[lane] or 0) + added end
  at = first + (with_events and 3 or 2) * n - 1
end

-- Reads at once what is kept of the special jobs already, and where the groups are that some of them come into.
local kept = {}
local function read_specials(at)
  local ids_of, names = {}, {}
  for _ = 1, special_count do
    local id, entry, last = ARGV[at + 1], lanes[tonumber(ARGV[at + 2])] or '', at + 11 + ARGV[at + 7]
    local keyed = ARGV[last]
    local key = shard_of(id)
    local ids = ids_of[key]
    if not ids then ids = {} ids_of[key] = ids end
    ids[#ids + 1] = id
    if keyed ~= '' then
      local keys = groups[keyed]
      if not keys then
        local place = find(keyed, '\\0', 1, true)
        keys = sub(keyed, place + 1)
        groups[keyed] = keys
        choices_of[keyed] = find(keyed, '^w*%z') ~= 1 and sub(keyed, 1, place - 1)
      end
      names[#names + 1] = sub(entry, 1, 2) .. keys
    end
    at = last
  end
  for key, ids in pairs(ids_of) do
    local records = read_fields(key, ids)
    for k = 1, #ids do kept[ids[k]] = records[k] end
  end
  if limits and names[1] then rows.load(names) end
end
read_specials(at)

for _ = 1, special_count do
  local id, entry, due, flags = ARGV[at + 1], lanes[tonumber(ARGV[at + 2])], ARGV[at + 3], tonumber(ARGV[at + 4])
  local expires_after, extras, tag_count = ARGV[at + 5], ARGV[at + 6], tonumber(ARGV[at + 7])
  local tags_at = at + 7
  local input, event = ARGV[tags_at + tag_count + 1], ARGV[tags_at + tag_count + 2]
  local parent = ARGV[tags_at + tag_count + 3]
  local keyed = ARGV[tags_at + tag_count + 4]
  at = tags_at + tag_count + 4
  local key = shard_of(id)
  local record = kept[id]
  if record then states[#states + 1] = state_of(id, record)
  elseif draining and parent == '' then states[#states + 1] = 'd'
  elseif keyed ~= '' and not may_come_in(id, keyed) then states[#states + 1] = 'x'
  else
    local due_at, due6 = now, now6
    if due ~= '+0' then
      due_at = sub(due, 1, 1) == '+' and now + tonumber(due) or math.max(tonumber(due), now)
      due6 = pack('>I6', due_at)
    end
    local lane = sub(entry, 1, 2)
    local expires_at = expires_after ~= '' and due_at + tonumber(expires_after) or nil
    record = 'T' .. string.char(flags) .. '\\0' .. lane .. now6 .. due6 .. input
    -- The same id may come again in this call.
    kept[id] = record
    write_field(key, id, record)
    if extras ~= '' then
      if expires_at then extras = string.gsub(extras, '\\1%d*\\2', string.format('%d', expires_at)) end
      write_field(key, id .. 'x', extras)
    end
    local is_claimable = due_at <= now
    if keyed ~= '' and is_claimable then is_claimable = add_keyed(id, lane, due6, groups[keyed])
    else add_timed(id, lane, due6) end
    if parent ~= '' then write_field(key, id .. 'k', parent .. '\\0\\0\\0\\0-') end
    if expires_at then call('ZADD', TIMERS, expires_at, 'x' .. id) end
    for k = 1, tag_count do add_index('G' .. ARGV[tags_at + k] .. '\\0' .. id) end
    if with_events then tell(event) end
    states[#states + 1] = due_at <= now and 'R' or 'S'
    -- A job for later is told to one idle worker too when it is the lane's next: it must look again earlier.
    if due_at > now then
      local first = call('ZRANGEBYLEX', TIMED, '[' .. lane .. now6, '(' .. lane .. '\\255', 'LIMIT', 0, 1)
      if sub(first[1], 9) == id then later[lane] = (later[lane] or 0) + 1 end
    elseif is_claimable then ready[lane] = (ready[lane] or 0) + 1 end
  end
end

write_all()
local reply = { now, followed, table.concat(states) .. table.concat(overtaken) }
publish_told()
-- Where the whole queue is full nobody is woken: an end does that.
local whole = limits and limits.bounds.queue and limits.queue_gate()
if whole and whole.bound.concurrency and whole.count >= whole.bound.concurrency then ready = {} end
for lane, jobs in pairs(ready) do wake(lane, jobs) end
for lane, jobs in pairs(later) do wake(lane, jobs) end
remember(nonce, reply[3], arrived)
return reply
`;

export const ENQUEUE: Script = script(
  "enqueue",
  "write",
  PRELUDE + HAND_OVER,
  WRITING,
  TELLING,
  WAKING,
  ROWS,
  LIMITS,
  LANES,
  BODY,
);
