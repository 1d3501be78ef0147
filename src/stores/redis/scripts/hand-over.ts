// Hands a job that comes alone to an idle worker: what an enqueue looks for first.
import { FIXED_KEYS } from "../layout.ts";
import { NONCE_BYTES } from "../link/nonces.ts";
import { LANE_SPAN, isUnseen } from "./waking.ts";

/** Longest input that is sent to a worker: on a Cluster a message goes to every server. */
const MAX_HANDED_BYTES = 4_096;

/*
 * A job that comes alone, and whose lane is empty, is claimed for an idle worker that takes jobs so, and sent to it. Until
 * the worker says that it heard of it the claim is noted, and each of its exchanges here tells it again: whence it is
 * handed no other in the meantime.
 *
 * Before all else, so that of the rest not even the functions are made: somebody waits for this job, on a server that is
 * idle, and the script took such a server 131 µs with it and 101 µs so.
 *
 * keys, arguments, reply: those of an enqueue (enqueue.ts). cost: 14 commands, on a Cluster 15; where it comes to nothing 2 to
 * 9, and then those of any enqueue.
 */
export const HAND_OVER: string = `
local function hand_over()
  -- No events, one lane, one group of one job, nothing special.
  if ARGV[3] ~= '0' or ARGV[4] ~= '1' or ARGV[5] ~= '1' or ARGV[6] ~= '0' or ARGV[9] ~= '1' then return end
  local nonce, arrived, id, input = ARGV[1], ARGV[2], ARGV[10], ARGV[11]
  local known = call('HMGET', META, ARGV[7], 'W', 'n' .. nonce, 'Q', 'G', 'P')
  local entry = known[1]
  local slot = entry and byte(entry, 3) or 0
  if slot == 0 or known[3] or known[4] or known[5] or known[6] then return end
  if known[2] and tonumber(known[2]) > server_now or #input > ${MAX_HANDED_BYTES} then return end
  local lane = sub(entry, 1, 2)
  local low = (byte(lane, 1) * 256 + byte(lane, 2)) * ${LANE_SPAN}
  local idle = call('ZRANGE', IDLE, low + ${LANE_SPAN - 1}, low, 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')
  if not idle[1] or idle[2] % 1 == 0 then return end
  local worker = sub(idle[1], 3)
  local leases = call('ZMSCORE', TIMERS, 'l' .. worker, 'z' .. worker)
  if not leases[1] or tonumber(leases[1]) <= now or leases[2] then return end
  -- What waits already comes first.
  if call('LLEN', KEYS[${FIXED_KEYS} + slot]) > 1 or call('ZCARD', TIMED) > 1 then return end
  -- It died while it was idle: the job would wait until its lease is over. One server counts who hears the message below.
  if not COUNTS_ALL and ${isUnseen("worker", "idle[2]")} then return end
  local shard = shard_of(id)
  if call('HEXISTS', shard, id) == 1 then return end
  local token = 'h' .. string.format('${"%02x".repeat(NONCE_BYTES)}', byte(nonce, 1, ${NONCE_BYTES}))
  if call('HSETNX', META, 'H' .. worker, id .. token) == 0 then return end
  local record = 'L\\0\\0' .. lane .. now6 .. now6 .. input
  call('ZREM', IDLE, idle[1])
  local heard = call('PUBLISH', 'mr1|w|' .. worker, 'h' .. id .. now6 .. token .. pack('>I2', #META) .. META .. record)
  if heard == 0 and COUNTS_ALL then
    call('HDEL', META, 'H' .. worker)
    return
  end
  call('HSET', shard, id, record)
  call('HSET', RUNNING, id, '\\0' .. lane .. now6 .. worker .. '\\0' .. token)
  call('HSET', META, 'n' .. nonce, now6 .. 'R')
  local gone = {}
  for at = 1, #arrived, ${NONCE_BYTES} do gone[#gone + 1] = 'n' .. sub(arrived, at, at + ${NONCE_BYTES - 1}) end
  if gone[1] then call('HDEL', META, unpack(gone)) end
  return { now, 0, 'R' }
end
local handed = hand_over()
if handed then return handed end
`;
