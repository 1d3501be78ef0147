// Figures: counts by window and type.
import { FIGURES_KEPT_MS, MAX_FIGURES } from "../../../core/figures.ts";
import { CLOCK, type Script, script } from "./script.ts";

/** How long a nonce is remembered: far beyond the deadline of a call. */
const REMEMBER_MS = 600_000;

/*
 * keys: the directory's windows, counts and nonces. A window is m or h, its start in 6 bytes, its type.
 * arguments: nonce; window and counts (JSON) of each.
 * reply: 1. cost: 3 commands a window.
 */
const ADD = `
local WINDOWS, COUNTS, NONCES = KEYS[1], KEYS[2], KEYS[3]
${CLOCK}
redis.call('ZREMRANGEBYSCORE', NONCES, '-inf', server_now - ${REMEMBER_MS})
if redis.call('ZADD', NONCES, 'NX', server_now, ARGV[1]) == 0 then return { 1 } end
for at = 2, #ARGV, 2 do
  local window, more = ARGV[at], cjson.decode(ARGV[at + 1])
  local known = redis.call('HGET', COUNTS, window)
  local sum = known and cjson.decode(known) or {}
  for name, count in pairs(more) do sum[name] = (sum[name] or 0) + count end
  redis.call('HSET', COUNTS, window, next(sum) and cjson.encode(sum) or '{}')
  redis.call('ZADD', WINDOWS, 0, window)
end
return { 1 }
`;

/*
 * keys: the directory's windows and counts. arguments: m or h, start of the first window in 6 bytes, type or "".
 * reply: window and counts of each. cost: 1 command and 1 a window.
 */
const READ = `
local WINDOWS, COUNTS = KEYS[1], KEYS[2]
local reply = {}
for _, window in ipairs(redis.call('ZRANGE', WINDOWS, '[' .. ARGV[1] .. ARGV[2], '(' .. string.char(string.byte(ARGV[1]) + 1), 'BYLEX')) do
  if ARGV[3] == '' or string.sub(window, 8) == ARGV[3] then
    reply[#reply + 1] = window
    reply[#reply + 1] = redis.call('HGET', COUNTS, window)
    if #reply >= ${2 * MAX_FIGURES} then break end
  end
end
return reply
`;

/*
 * keys: the directory's windows and counts. arguments: most windows. reply: [windows forgotten]. cost: 4 commands.
 */
const FORGET = `
local WINDOWS, COUNTS = KEYS[1], KEYS[2]
${CLOCK}
local left = tonumber(ARGV[1])
local function forget(resolution, kept_ms)
  if left <= 0 or now <= kept_ms then return end
  local over = redis.call('ZRANGE', WINDOWS, '[' .. resolution, '(' .. resolution .. struct.pack('>I6', now - kept_ms), 'BYLEX', 'LIMIT', 0, math.min(left, 1000))
  if not over[1] then return end
  redis.call('ZREM', WINDOWS, unpack(over))
  redis.call('HDEL', COUNTS, unpack(over))
  left = left - #over
end
forget('m', ${FIGURES_KEPT_MS.minute})
forget('h', ${FIGURES_KEPT_MS.hour})
return { tonumber(ARGV[1]) - left }
`;

export const ADD_FIGURES: Script = script("figures-add", "write", ADD);
export const READ_FIGURES: Script = script("figures", "read", READ);
export const FORGET_FIGURES: Script = script("figures-forget", "settle", FORGET);
