// What ended, what the owners of runs say after it, and the children that they make: in one act, on one server.
import { roomOf } from "../layout.ts";
import { childrenParts } from "./children.ts";
import { exchangeParts } from "./exchange.ts";
import { speakParts } from "./runs.ts";
import { type Script, bodyOf, script } from "./script.ts";

const KEYS_A_ROOM = roomOf("", "", 0).keys.length;
/** Values that Lua puts on its stack at once: it has room for 8,000. */
const MOST_UNPACKED = 5_000;

/*
 * Three scripts after each other, each on a room of its own. What one finds out the next is told here, where it would
 * otherwise be told by who calls them: so nothing needs to stand in an outbox meanwhile.
 *
 * keys: those of all rooms, one room's after the other's.
 * arguments: number of exchanges, of speeches, of calls that keep children; for each word that stands on a settlement
 *   (together as one text): exchange (2 bytes), letter (2), speech (2), word (2); for each
 *   step that ends, where there are several speeches: its id and the speech that tells its run (2); then each of the
 *   calls: room (from 1), number of its arguments, its arguments; a call that keeps children: before these for each
 *   child speech and word (2 bytes each).
 * reply: [1, the reply of each call]; [-1] when somebody follows and no events came, [-2] where a room must make a lane
 *   first: nothing was written.
 * cost: that of the calls, and 1 a call.
 */
const ACT = `
local function settle(KEYS, ARGV, pass)
${bodyOf(exchangeParts("local function keep_endings() pass(endings) end"))}
end
local function speak(KEYS, ARGV, ended_here, refused)
${bodyOf(speakParts(""))}
end
local function keep(KEYS, ARGV, unsaid)
${bodyOf(childrenParts(""))}
end
local exchange_count, speech_count, keep_count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local links, routes = ARGV[4], ARGV[5]
local first_keep = exchange_count + speech_count
local calls = {}
-- In one piece, as far as Lua's stack takes it.
local function slice(from, count)
  if count <= ${MOST_UNPACKED} then return { unpack(ARGV, from, from + count - 1) } end
  local args = {}
  for n = 1, count do args[n] = ARGV[from + n - 1] end
  return args
end
local at = 6
for k = 1, first_keep + keep_count do
  local before = (tonumber(ARGV[at]) - 1) * ${KEYS_A_ROOM}
  local of = { keys = { unpack(KEYS, before + 1, before + ${KEYS_A_ROOM}) } }
  local count = tonumber(ARGV[at + 1])
  at = at + 2
  if k > first_keep then
    of.said_in = ARGV[at]
    at = at + 1
  end
  of.args = slice(at, count)
  at = at + count
  calls[k] = of
end

local clock = redis.call('TIME')
local function hindrance(of, lane_count)
  local args = of.args
  local has_events = args[lane_count and 3 or 4] == '1'
  local meta = redis.call('HMGET', of.keys[1], 'W', 'n' .. args[1], unpack(args, 9, 8 + (lane_count or 0)))
  -- It was done before.
  if meta[2] then return 0 end
  if meta[1] and not has_events and tonumber(meta[1]) > clock[1] * 1000 + math.floor(clock[2] / 1000) then return -1 end
  for k = 1, lane_count or 0 do
    if not meta[2 + k] then return -2 end
  end
end
local hindered
for k = 1, exchange_count do hindered = hindered or hindrance(calls[k]) end
for k = first_keep + 1, #calls do hindered = hindered or hindrance(calls[k], tonumber(calls[k].args[7])) end
if hindered and hindered < 0 then return { hindered } end

local speech_of = {}
for k = 1, #routes, 18 do speech_of[string.sub(routes, k, k + 15)] = struct.unpack('>I2', string.sub(routes, k + 16, k + 17)) end
local ended = {}
local refused = {}
for k = 1, speech_count do ended[k], refused[k] = {}, {} end
local function pass(endings)
  for k = 1, #endings, 2 do
    local row = endings[k]
    local of_speech = ended[speech_count > 1 and speech_of[string.sub(row, 18, 33)] or 1]
    local n = #of_speech
    of_speech[n + 1], of_speech[n + 2] = row, endings[k + 1]
  end
end
local reply = { 1 }
for k = 1, exchange_count do reply[k + 1] = settle(calls[k].keys, calls[k].args, pass) end
for k = 1, #links, 8 do
  local exchange, letter, speech, word = struct.unpack('>I2I2I2I2', links, k)
  if string.byte(reply[exchange + 1][3], letter) ~= 97 then refused[speech][word] = true end
end
for k = 1, speech_count do
  local of = calls[exchange_count + k]
  reply[exchange_count + k + 1] = speak(of.keys, of.args, ended[k], refused[k])
end
for k = first_keep + 1, #calls do
  local of, unsaid = calls[k], {}
  for n = 1, #of.said_in, 4 do
    local speech, word = struct.unpack('>I2I2', of.said_in, n)
    unsaid[(n + 3) / 4] = string.byte(reply[exchange_count + speech + 1][3], word) ~= 97
  end
  reply[k + 1] = keep(of.keys, of.args, unsaid)
end
return reply
`;

export const ACT_ON_RUNS: Script = script("act", "write", ACT);
