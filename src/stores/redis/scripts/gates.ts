// Limits in Lua: what is kept of gates and groups, the rule that makes it right, and the upkeep of it.
import { FIXED_KEYS } from "../layout.ts";
import { ARRIVALS } from "./arrivals.ts";
import { GATES } from "./gate-counts.ts";
import { ROOM } from "./gate-room.ts";
import { GROUPS } from "./groups.ts";

/*
 * A gate is one key of one limit (`limit \1 key`), or the whole queue (`queue`). A group is all jobs of one lane with
 * the same keys: the lane's number and the gates' names, `\1` between. What is kept, beside the jobs themselves:
 *
 *   m  G          what the limits of the queue allow: `version \n`, then `name \1 concurrency \1 starts \1 ms \n` each
 *   k  lane keys \0 due id     jobs that are ready under their keys and stand in no row, by group and then by rank
 *   q  R lane turn keys        groups in the ring of their lane, in the order of their turns
 *      P gate \0 lane turn keys   groups parked at a gate that is shut
 *      O time gate             when a gate opens by itself
 *      S gate \0 id            jobs that stand for new ones of a key that drops or cancels
 *   g  g<gate>    running (4 bytes), held until (6), opens at (6), 1 if groups may be parked (1), starts (4), and the
 *                 window of starts: time (6) and number (4) of each step
 *      r<group>   its row (rows.ts): turn, the gate where it is parked, the jobs that come first
 *      w, w<lane> how many jobs are in rows, of all lanes and of one
 *      c<lane>    where in the ring of a lane the next claim begins: behind the group that the last one took from
 *   r  <id>       behind the claim of each job that runs under keys, after a zero byte, its mark: `+` if it may stand for
 *                 new ones, `s` if its keys are several, else `g`, and its keys: with a `g` the text is the field of its
 *                 gate, and no other one is made
 *
 * How many run under a gate is the number of marks that name it: they are written and go with the entry of the running
 * job. Neither a repeated call nor a failover can let the two differ, and a sweep counts them again all the same. How
 * many run in the whole queue is the length of the hash of running jobs.
 *
 * What makes it right is the rule of the embedded store's gates: where a gate has room and groups of a lane are parked
 * at it, one group that stands before it is in the ring of that lane. Whoever makes room (an end, a raised limit, time)
 * puts one of each lane back; a group that leaves the ring, or leaves room when its turn is over, puts back the next.
 *
 * In columns, without a table for each gate, go the usual ends (`leave_plain`) and the usual claims (stretch.ts): those of
 * gates of which nothing but a count is kept. They read a gate and write it in one go, and only one that no table was made
 * of in the same call: what `save` writes later is never older than what they wrote.
 *
 * All of it is one function, called where the room has an entry `G` and nowhere else: a room without limits pays for
 * one field more in a command that it makes anyway.
 */

/** Entries looked at by one sweep: all of them in their turn. */
const LOOKED_AT = 200;
/** Lanes whose idle workers may be woken when places in the whole queue became free. */
const MAX_LANES_WOKEN = 64;

/** For scripts that claim, settle, keep or sweep, after WAKING and ROWS: `open_limits` makes `limits` of the entry `G`. */
export const LIMITS: string = `
${ARRIVALS}
local function open_limits(text)
  if not rows then open_rows() end
  local bounds, gates, dirty, freed, trimmed, UNBOUNDED = {}, {}, {}, {}, {}, {}
  local comers = {}
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
  -- Whether a group that was let go may still start a job.
  local function may_start(name)
    local row = rows.row_at(name)
    if not row or row.gate ~= '' or row.bytes == 0 and not row.has_more then return false end
    for _, gate in ipairs(split(sub(name, 3))) do
      if room_at(gate_at(gate)) <= 0 then return false end
    end
    return true
  end
  -- Places that became free and that the caller did not take: others are told.
  local function wake_freed()
    local startable = {}
    for _, name in ipairs(freed) do
      local lane = sub(name, 1, 2)
      if may_start(name) then startable[lane] = (startable[lane] or 0) + 1 end
    end
    for lane, groups in pairs(startable) do wake(lane, groups) end
    freed = {}
    if not was_full then return end
    local places = room_at(queue_gate())
    local low = LANE_SPAN
    for _ = 1, ${MAX_LANES_WOKEN} do
      local entry = places > 0 and call('ZRANGE', IDLE, low, '+inf', 'BYSCORE', 'LIMIT', 0, 1)[1]
      if not entry then return end
      local lane = sub(entry, 1, 2)
      if has_waiting(lane) then wake(lane, places) end
      low = (byte(lane, 1) * 256 + byte(lane, 2) + 1) * LANE_SPAN
    end
  end
  -- How many run under each gate, by their marks.
  local function count_marks(runs)
    local counts = {}
    for k = 1, #runs, 2 do
      local mark = runs[k] ~= '' and mark_of(runs[k + 1])
      for _, name in ipairs(mark and split(sub(mark, 2)) or {}) do counts[name] = (counts[name] or 0) + 1 end
    end
    return counts
  end
  -- A part of what is kept, at each sweep: gates of which there is nothing to remember are forgotten, and those are put
  -- right that count others than run.
  local function upkeep(runs)
    local step = call('HSCAN', GATES, call('HGET', META, 'Gc') or '0', 'COUNT', ${LOOKED_AT})
    call('HSET', META, 'Gc', step[1])
    local counts
    for k = 1, #step[2], 2 do
      local field = step[2][k]
      if sub(field, 1, 1) == 'g' then
        local gate = gate_at(sub(field, 2))
        if gate.bound.rate then trim(gate) else gate.starts, gate.total = '', 0 end
        counts = counts or count_marks(runs)
        local count = gate.name == 'queue' and gate.count or counts[gate.name] or 0
        if gate.count ~= count then
          gate.count = count
          dirty[gate.name] = gate
          if gate.parked == 1 and room_at(gate) > 0 then unpark_all(gate) end
        end
        if count == 0 and gate.starts == '' then dirty[gate.name] = gate end
      end
    end
    save()
    wake_freed()
  end
  limits = { bounds = bounds, gates = gates, room_at = room_at, start = start, gate_at = gate_at, load_gates = load_gates,
    gates_of = gates_of, plain_counts = plain_counts, plain_text = plain_text, save = save, unpark_next = unpark_next,
    unpark_all = unpark_all, open_gates = open_gates, open_due = open_due, next_opening = next_opening, leave = leave,
    choose = choose, stand = stand, enter = enter, seat = seat, keys_of = keys_of, hold = hold, release = release,
    queue_gate = queue_gate, wake_freed = wake_freed, upkeep = upkeep,
    change = function(gate) dirty[gate.name] = gate end }
end
`;
