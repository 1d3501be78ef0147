// Forgets lanes that nobody uses any more.
import { FIXED_KEYS, LANE_IDLE_MS } from "../layout.ts";

/** Lanes looked at by one sweep: all of them in their turn. */
const LOOKED_AT = 50;
/** A room with more jobs under way is looked at when it has fewer: what runs is read to know its lanes. */
const MAX_RUNNING_READ = 5_000;

/*
 * A lane is left alone while a job names it: in its list, by time, running, ended, or expired and not yet swept. One
 * that no job names is marked with the time, and forgotten if it is still unused when the mark is old. Workers that
 * claim by a table of lanes from before are told of the new one. Those that wait for it stay in the registry as ones
 * that wait for any new lane.
 */
export const LANE_UPKEEP: string = `
local function has_waiting(lane, slot)
  if slot > 0 and call('LLEN', KEYS[${FIXED_KEYS} + slot]) > 1 then return true end
  return call('ZRANGEBYLEX', TIMED, '[' .. lane, '[' .. lane .. '\\255', 'LIMIT', 0, 1)[1] ~= nil
    or call('ZRANGEBYLEX', KEYED, '[' .. lane, '[' .. lane .. '\\255', 'LIMIT', 0, 1)[1] ~= nil
    or tonumber(call('HGET', GATES, 'w' .. lane) or 0) > 0
end
local function lanes_running()
  local lanes = {}
  for _, run in ipairs(call('HVALS', RUNNING)) do lanes[sub(run, 2, 3)] = true end
  return lanes
end
local function forget_lane(field, lane, slot)
  call('HDEL', META, field, 'l' .. lane, 'e' .. lane, 'i' .. lane)
  if slot > 0 then call('HDEL', META, 's' .. slot, 'D' .. slot) end
  call('HDEL', GATES, 'c' .. lane, 'w' .. lane)
  call('HINCRBY', META, 'L', -1)
  local low = (byte(lane, 1) * 256 + byte(lane, 2)) * LANE_SPAN
  local idle = call('ZRANGE', IDLE, low + 1, low + LANE_SPAN - 1, 'BYSCORE', 'WITHSCORES')
  for k = 1, #idle, 2 do
    call('ZREM', IDLE, idle[k])
    call('ZADD', IDLE, idle[k + 1] - low, '\\0\\0' .. sub(idle[k], 3))
  end
end
local function forget_lanes()
  if tonumber(call('HGET', META, 'X') or 0) > 0 or call('HLEN', RUNNING) > ${MAX_RUNNING_READ} then return end
  local running, forgotten = nil, false
  local step = call('HSCAN', META, call('HGET', META, 'c') or '0', 'MATCH', 'd*', 'COUNT', ${LOOKED_AT})
  call('HSET', META, 'c', step[1])
  for k = 1, #step[2], 2 do
    local field, lane, slot = step[2][k], sub(step[2][k + 1], 1, 2), byte(step[2][k + 1], 3)
    local of_lane = call('HMGET', META, 'e' .. lane, 'i' .. lane)
    local is_used = has_waiting(lane, slot) or tonumber(of_lane[1] or 0) > 0
    if not is_used then
      running = running or lanes_running()
      is_used = running[lane]
    end
    if is_used then
      if of_lane[2] then call('HDEL', META, 'i' .. lane) end
    elseif not of_lane[2] then call('HSET', META, 'i' .. lane, now)
    elseif now - of_lane[2] > ${LANE_IDLE_MS} then
      forget_lane(field, lane, slot)
      forgotten = true
    end
  end
  if forgotten then call('HINCRBY', META, 'v', 1) end
end
`;
