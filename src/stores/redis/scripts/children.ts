// Keeps the jobs that workflow runs made, and hands those to their owner that it would run itself.
import { FIXED_KEYS } from "../layout.ts";
import { LIMITS } from "./gates.ts";
import { ROWS } from "./rows.ts";
import { LANES, PRELUDE, type Script, TELLING, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/** Children that their owner runs already, one by one: these are few, and one that is none costs nothing by them. */
const BEGUN = `
local is_owner = false
if worker ~= '' then
  local leases = call('ZMSCORE', TIMERS, 'l' .. worker, 'z' .. worker)
  is_owner = not leases[2] and (leases[1] or lease_ms ~= '')
  if is_owner and not leases[1] then call('ZADD', TIMERS, now + lease_ms, 'l' .. worker) end
end
local run, started = {}, 0
while ARGV[at] do
  local lane, id, parent, input = sub(lanes[tonumber(ARGV[at])], 1, 2), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local claim, flags, extras = worker .. '\\0' .. ARGV[at + 4], string.char(ARGV[at + 5]), ARGV[at + 6]
  local tags_at, tag_count, key = at + 7, tonumber(ARGV[at + 7]), shard_of(id)
  at = tags_at + tag_count + 1
  local letter
  if unsaid[#letters + 1] then letter = 'u'
  elseif call('HEXISTS', key, id) == 1 then
    local known_run = call('HGET', RUNNING, id)
    letter = known_run and is_of(known_run, claim) and 'H' or 'k'
  elseif late ~= '' and (byte(late, #letters + 1) == 107 or call('HEXISTS', OUTBOX, 'f' .. id) == 1) then letter = 'k'
  else
    local fields = { id, 'T' .. flags .. '\\0' .. lane .. now6 .. now6 .. input, id .. 'k', parent .. '\\0\\0\\0\\0-' }
    if extras ~= '' then fields[5], fields[6] = id .. 'x', extras end
    call('HSET', key, unpack(fields))
    for k = 1, tag_count do call('ZADD', INDEX, 0, 'G' .. ARGV[tags_at + k] .. '\\0' .. id) end
    if with_events then tell(ARGV[at]) end
    if is_owner then
      letter = 'H'
      started = started + 1
      run[2 * started - 1], run[2 * started] = id, flags .. lane .. now6 .. claim
      if with_events then tell(ARGV[at + 1]) end
    else
      letter = 'R'
      call('ZADD', TIMED, 0, lane .. now6 .. id)
      call('ZADD', INDEX, 0, 'Bt' .. id)
      ready[lane] = (ready[lane] or 0) + 1
    end
  end
  letters[#letters + 1] = letter
  if with_events then at = at + 2 end
end
if started > 0 and known[5] then
  -- A rate counts them; how many run is known by themselves.
${ROWS}${LIMITS}
  open_limits(known[5])
  limits.start(limits.queue_gate(), started)
  limits.save()
end
in_parts('HSET', RUNNING, run)
`;

/*
 * keys: the room's.
 * arguments: nonce, nonces of replies that arrived, 1 when events come with the jobs, worker ("": none), ms of a lease
 *   that may be made or "", "" or (where they come late) a text with a letter for each job: m it is made unless its end
 *   stands in the outbox, k it was there and may only be handed over; number of lanes, of groups; the lanes' fields;
 *   each group: lane, number of jobs, ids in ascending order, runs that made them, inputs, numbers of tokens
 *   behind the worker ("": not to be handed over), events of those that are new and of those that are handed over; then
 *   each child that its owner runs already: lane, id, run that made it, input, token, flags, extras, number of tags,
 *   tags, the two events. Nothing but the lack of a lease keeps it from its owner.
 * reply: [server time, 1 if somebody follows, letters]: H handed over, R new, k known before. A queue that drains takes them in: a step is no new work.
 *   [-1] when somebody follows and no events came: nothing was written.
 * cost: 4 commands a group and 4 a shard; one that its owner runs already 2, and together 3.
 */
const BODY = `
local nonce, arrived, with_events = ARGV[1], ARGV[2], ARGV[3] == '1'
local worker, lease_ms, late = ARGV[4], ARGV[5], ARGV[6]
local lane_count, group_count = tonumber(ARGV[7]), tonumber(ARGV[8])
local at = 8
local known = call('HMGET', META, 'v', 'W', 'n' .. nonce, 'P', 'G', unpack(ARGV, at + 1, at + lane_count))
local unknown = 0
for k = 1, lane_count do if not known[5 + k] then unknown = unknown + 1 end end
if not known[3] and lacks_lanes(unknown) then return redis.error_reply('LANES too many') end
open_room(known[1])
local followed = known[2] and tonumber(known[2]) > server_now and 1 or 0
if known[3] then return { struct.unpack('>I6', known[3]), followed, say_again(nonce, known[3]) } end
if followed == 1 and not with_events then return { -1 } end
local lanes = {}
for k = 1, lane_count do
  lanes[k] = known[5 + k] or false
  if lanes[k] then spoken_for[byte(lanes[k], 3)] = true end
end
for k = 1, lane_count do
  if not lanes[k] then lanes[k] = make_lane(ARGV[at + k], true) end
end
at = at + lane_count + 1

-- Where there are limits a claim looks at them.
local may_claim = worker ~= '' and not known[4] and not known[5]
if may_claim then
  local leases = call('ZMSCORE', TIMERS, 'l' .. worker, 'z' .. worker)
  if leases[2] or (not leases[1] and lease_ms == '') then may_claim = false
  elseif not leases[1] then call('ZADD', TIMERS, now + lease_ms, 'l' .. worker) end
end
local function is_idle(lane, slot)
  if slot > 0 and call('LLEN', KEYS[${FIXED_KEYS} + slot]) > 1 then return false end
  return not call('ZRANGEBYLEX', TIMED, '[' .. lane, '[' .. lane .. now6 .. '\\255', 'LIMIT', 0, 1)[1]
end
local letters, ready = {}, {}
for _ = 1, group_count do
  local entry, n = lanes[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  local first = at + 2
  local lane, slot = sub(entry, 1, 2), byte(entry, 3)
  local flags = string.char(KIN)
  local head = (slot > 0 and 'L' or 'T') .. flags .. '\\0' .. lane .. now6 .. now6
  local run_head = flags .. lane .. now6 .. worker .. '\\0'
  local hands_over = may_claim and is_idle(lane, slot)
  local added, from = 0, 0
  while from < n do
    local id = ARGV[first + from]
    local burst = floor(byte(id, 6) / 32)
    local to = from
    while to + 1 < n and floor(byte(ARGV[first + to + 1], 6) / 32) == burst do to = to + 1 end
    local key = shard_of(id)
    local kept = call('HMGET', key, unpack(ARGV, first + from, first + to))
    local write, queued, run = {}, {}, {}
    for k = from, to do
      local child, token = ARGV[first + k], ARGV[first + 3 * n + k]
      if unsaid[#letters + 1] then letters[#letters + 1] = 'u'
      elseif kept[k - from + 1] then
        local claim = token ~= '' and call('HGET', RUNNING, child)
        letters[#letters + 1] = claim and is_of(claim, worker .. '\\0' .. token) and 'H' or 'k'
      elseif late ~= '' and (byte(late, #letters + 1) == 107 or call('HEXISTS', OUTBOX, 'f' .. child) == 1) then letters[#letters + 1] = 'k'
      else
        write[#write + 1] = child
        write[#write + 1] = head .. ARGV[first + 2 * n + k]
        write[#write + 1] = child .. 'k'
        write[#write + 1] = ARGV[first + n + k] .. '\\0\\0\\0\\0-'
        if with_events then tell(ARGV[first + 4 * n + k]) end
        if hands_over and token ~= '' then
          letters[#letters + 1] = 'H'
          run[#run + 1] = child
          run[#run + 1] = run_head .. token
          if with_events then tell(ARGV[first + 5 * n + k]) end
        else
          -- What comes after it comes in its turn.
          hands_over = false
          letters[#letters + 1] = 'R'
          queued[#queued + 1] = child
        end
      end
    end
    if write[1] then call('HSET', key, unpack(write)) end
    if run[1] then call('HSET', RUNNING, unpack(run)) end
    if queued[1] then
      if slot > 0 then call('RPUSH', KEYS[${FIXED_KEYS} + slot], unpack(queued))
      else
        for _, child in ipairs(queued) do
          call('ZADD', TIMED, 0, lane .. now6 .. child)
          call('ZADD', INDEX, 0, 'Bt' .. child)
        end
      end
      added = added + #queued
    end
    from = to + 1
  end
  if added > 0 then ready[lane] = (ready[lane] or 0) + added end
  at = first + (with_events and 6 or 4) * n
end
if ARGV[at] then
${BEGUN}
end
publish_told()
for lane, jobs in pairs(ready) do wake(lane, jobs) end
local reply = table.concat(letters)
remember(nonce, reply, arrived)
return { now, followed, reply }
`;

/** Keeping children, after what names those that their run's word was refused for. */
export function childrenParts(unsaid: string): readonly string[] {
  return [PRELUDE, WRITING, TELLING, WAKING, LANES, unsaid, BODY];
}

export const KEEP_CHILDREN: Script = script(
  "children",
  "write",
  ...childrenParts("local unsaid = {}"),
);
