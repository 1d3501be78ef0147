// Moves jobs that wait from one queue to another: out of their room, into another, whose slot may be a different one.
import { ROWS } from "./rows.ts";
import { LANES, PRELUDE, RECORDS, type Script, TELLING, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/*
 * keys: the room's. arguments: nonce, nonces of replies that arrived, then for each job: id, guard (move.ts), id to be,
 *   nonce of the delivery (12 bytes), what is to be known of it (JSON), event.
 * reply: [server time, 1 if somebody follows, a letter a job (a moved out, g gone, c changed meanwhile)], then of each
 *   that was moved out what is to be delivered: the nonce, the length of what is to be known (4 bytes) and that itself,
 *   all that is kept of the job, packed; "" where it was delivered before.
 * cost: about 12 commands a job. What is to be delivered is kept in the room's own hash until it is.
 */
const OUT = `
local nonce, arrived = ARGV[1], ARGV[2]
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce)
open_room(meta[1])
local followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
local letters = meta[3] and say_again(nonce, meta[3]) or ''

local function move_out(at)
  local id, new_id = ARGV[at], ARGV[at + 2]
  local key = shard_of(id)
  local record = call('HGET', key, id)
  if not record then return 'g' end
  if sub(record, 1, 17) .. (call('HGET', RUNNING, id) or '') ~= sub(ARGV[at + 1], 2) then return 'c' end
  local flags = byte(record, 2)
  local parts = call('HMGET', key, id .. 'x', id .. 'p')
  local lines = {}
  for seq = 1, has(flags, LOGS) and tonumber(call('HGET', key, id .. 'n')) or 0 do
    lines[seq] = call('HGET', key, id .. pack('>I2', seq)) or ''
  end
  local lane = call('HGET', META, 'l' .. sub(record, 4, 5))
  local whole = cmsgpack.pack({ record, lane, parts[1] or '', parts[2] or '', lines })
  call('HSET', META, 'O' .. new_id, ARGV[at + 3] .. pack('>I4', #ARGV[at + 4]) .. ARGV[at + 4] .. whole)
  call('HINCRBY', META, 'o', 1)
  leave_place(id, record, key)
  end_standing(id, key)
  purge(id, flags, key)
  tell(ARGV[at + 5])
  return 'a'
end
if not meta[3] then
  for at = 3, #ARGV, 6 do letters = letters .. move_out(at) end
  publish_told()
  remember(nonce, letters, arrived)
end
local reply = { now, followed, letters }
for k = 1, #letters do
  if sub(letters, k, k) == 'a' then reply[#reply + 1] = call('HGET', META, 'O' .. ARGV[6 * k - 1]) or '' end
end
return reply
`;

/*
 * keys: the room's. arguments: nonce of the delivery, nonces of replies that arrived, id, what is kept of the job,
 *   packed, event.
 * reply: [server time, 1 if somebody follows, a].
 * cost: about 12 commands, one a tag.
 */
const IN = `
local nonce, arrived, id = ARGV[1], ARGV[2], ARGV[3]
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce)
local followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
if meta[3] then return { now, followed, say_again(nonce, meta[3]) } end
local record, field, extras_text, progress, lines = unpack(cmsgpack.unpack(ARGV[4]))
local entry = call('HGET', META, field)
if not entry and lacks_lanes(1) then return redis.error_reply('LANES too many') end
open_room(meta[1])
local key = shard_of(id)
if call('HEXISTS', key, id) == 0 then
  if not entry then entry = make_lane(field, sub(field, 2, 2) == '[') end
  local lane, due6 = sub(entry, 1, 2), sub(record, 12, 17)
  local write = { id, 'T' .. sub(record, 2, 3) .. lane .. sub(record, 6) }
  local function add(suffix, value) write[#write + 1] = id .. suffix write[#write + 1] = value end
  local extras = extras_text ~= '' and cjson.decode(extras_text) or {}
  if extras_text ~= '' then add('x', extras_text) end
  if progress ~= '' then add('p', progress) end
  if lines[1] then add('n', #lines) end
  for seq, line in ipairs(lines) do add(pack('>I2', seq), line) end
  call('HSET', key, unpack(write))
  call('ZADD', TIMED, 0, lane .. due6 .. id)
  call('ZADD', INDEX, 0, 'Bt' .. id)
  for _, tag in ipairs(extras.g or {}) do call('ZADD', INDEX, 0, 'G' .. tag .. '\\0' .. id) end
  if extras.x then call('ZADD', TIMERS, extras.x, 'x' .. id) end
  tell(ARGV[5])
  publish_told()
  wake(lane, 1)
end
remember(nonce, 'a', arrived)
return { now, followed, 'a' }
`;

/*
 * keys: the room's. arguments: ids under which jobs that were moved out were delivered.
 * reply: 1. cost: 2 commands.
 */
const DELIVERED = `
local fields = {}
for k = 1, #ARGV do fields[k] = 'O' .. ARGV[k] end
local forgotten = call('HDEL', META, unpack(fields))
if forgotten > 0 then call('HINCRBY', META, 'o', -forgotten) end
return { 1 }
`;

/*
 * keys: the room's. arguments: most jobs.
 * reply: of each that was moved out and is not known to be delivered: id to be, what is to be delivered (see above).
 * cost: reads the room's own hash.
 */
const UNDELIVERED = `
local reply = {}
local all = call('HGETALL', META)
for k = 1, #all, 2 do
  if byte(all[k], 1) == 79 and #reply < 2 * ARGV[1] then
    reply[#reply + 1] = sub(all[k], 2)
    reply[#reply + 1] = all[k + 1]
  end
end
return reply
`;

export const MOVE_OUT: Script = script(
  "move-out",
  "settle",
  PRELUDE,
  WRITING,
  TELLING,
  ROWS,
  RECORDS,
  OUT,
);
export const MOVE_IN: Script = script(
  "move-in",
  "settle",
  PRELUDE,
  WRITING,
  TELLING,
  WAKING,
  LANES,
  IN,
);
export const FORGET_MOVED: Script = script("moved", "settle", PRELUDE, DELIVERED);
export const READ_UNDELIVERED: Script = script("undelivered", "read", PRELUDE, UNDELIVERED);
