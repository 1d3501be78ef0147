// Limits of a room and of a namespace: changed, held by a handler that pushed back, released, and read.
import { LIMITS } from "./gates.ts";
import { ROWS } from "./rows.ts";
import { PRELUDE, type Script, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/*
 * keys: the room's. arguments: version of the limits of the namespace; what the queue's allow, as gates.ts has it.
 * reply: [1 if it is in force now, 0 if a later one is].
 * cost: 3 commands; where it changed, 5 for each gate at which groups wait, and a message to each idle worker.
 */
const SET = `
local meta = call('HMGET', META, 'v', 'G')
open_room(meta[1])
local version, text = tonumber(ARGV[1]), ARGV[2]
if not meta[2] and text == '' then return { 1 } end
local before = meta[2] and tonumber(string.match(meta[2], '^%d+')) or -1
if before > version then return { 0 } end
local after = ARGV[1] .. '\\n' .. text
if meta[2] and sub(meta[2], string.find(meta[2], '\\n') + 1) == text then
  call('HSET', META, 'G', after)
  return { 1 }
end
call('HSET', META, 'G', after)
open_limits(after)
limits.open_gates()
limits.save()
wake_all()
return { 1 }
`;

/*
 * keys: the room's. arguments: gate, ms for which nothing passes it.
 * reply: [1]. cost: 5 commands.
 */
const HOLD = `
local meta = call('HMGET', META, 'v', 'G')
open_room(meta[1])
if not meta[2] then call('HSET', META, 'G', '0\\n') end
open_limits(meta[2] or '')
limits.hold(ARGV[1], tonumber(ARGV[2]))
limits.save()
return { 1 }
`;

/*
 * keys: the room's. arguments: gate that is held no longer.
 * reply: [until when it was held, 0 if it was not]. cost: 6 commands, 5 for each lane in which groups wait at it, and a
 *   message to each idle worker.
 */
const RELEASE = `
local meta = call('HMGET', META, 'v', 'G')
open_room(meta[1])
if not meta[2] then return { 0 } end
open_limits(meta[2])
local held = limits.release(ARGV[1])
if held == 0 then return { 0 } end
limits.save()
wake_all()
return { held }
`;

/*
 * keys: the room's. arguments: gates.
 * reply: [server time; of the whole queue, then of each gate: jobs that run, when it opens by itself or -1, until when
 *   a handler holds it]. cost: 4 commands.
 */
const READ = `
open_limits(call('HGET', META, 'G') or '')
local reply = { now }
limits.load_gates(ARGV)
local function add(gate)
  local _, opens = limits.room_at(gate)
  reply[#reply + 1] = gate.count
  reply[#reply + 1] = opens or -1
  reply[#reply + 1] = gate.held
end
add(limits.queue_gate())
for _, name in ipairs(ARGV) do add(limits.gate_at(name)) end
return reply
`;

/*
 * keys: the limits of a namespace. arguments: fields (queue, zero byte, name) and what is kept of the change, "" for
 *   none.
 * reply: [version of the limits from now on]. cost: 2 commands a field.
 */
const CHANGE = `
for at = 1, #ARGV, 2 do
  if ARGV[at + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[at])
  else redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
end
return { redis.call('HINCRBY', KEYS[1], '', 1) }
`;

/** What scripts that change limits, or holds, are made of. */
const CHANGING: readonly string[] = [PRELUDE, WRITING, WAKING, ROWS, LIMITS];

export const SET_LIMITS: Script = script("limits-set", "settle", ...CHANGING, SET);
export const HOLD_GATE: Script = script("hold", "settle", ...CHANGING, HOLD);
export const RELEASE_GATE: Script = script("release", "settle", ...CHANGING, RELEASE);
export const READ_LIMITS: Script = script("limits", "read", PRELUDE, WAKING, ROWS, LIMITS, READ);
export const CHANGE_LIMITS: Script = script("limits-change", "settle", CHANGE);
