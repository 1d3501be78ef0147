// Makes ended jobs wait again, many at a time: what `move` does for one job by one, in few commands for all.
import { PRELUDE, type Script, TELLING, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/** Number of arguments of a job. */
const REVIVAL_ARGUMENTS = 7;

/*
 * keys: the room's. arguments: nonce, nonces of replies that arrived, 1 when events come; then for each job: id, head of
 *   its record as it was read (17 bytes), its place in the index by end, due ("+ms" from now or a time), another input
 *   after "=" or "", extras or "", event. Only jobs without progress, result, expiry and kin.
 * reply: [server time, 1 if somebody follows, a letter a job (a moved, g gone, c changed meanwhile)].
 *   [-1] when somebody follows and no events came: nothing was written.
 * cost: 5 commands, 3 a shard and 1 a lane, however many jobs. One by one they took 15 each.
 */
const REVIVE = `
local nonce, arrived, with_events = ARGV[1], ARGV[2], ARGV[3] == '1'
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce)
open_room(meta[1])
local followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
if meta[3] then return { now, followed, say_again(nonce, meta[3]) } end
if followed == 1 and not with_events then return { -1 } end

local ids, of_shard = {}, {}
for at = 4, #ARGV, ${REVIVAL_ARGUMENTS} do
  local id = ARGV[at]
  ids[#ids + 1] = id
  local key = shard_of(id)
  local own = of_shard[key]
  if not own then own = {} of_shard[key] = own end
  own[#own + 1] = id
end
local records = {}
for key, own in pairs(of_shard) do
  local found = call('HMGET', key, unpack(own))
  for k, id in ipairs(own) do records[id] = found[k] end
end
local running = call('HMGET', RUNNING, unpack(ids))

local letters, write, drop, left_index, timed, index, by_lane = {}, {}, {}, {}, {}, {}, {}
local function revive(at)
  local id, record = ARGV[at], records[ARGV[at]]
  local lane, due, input, extras = sub(record, 4, 5), ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local due6 = pack('>I6', sub(due, 1, 1) == '+' and now + tonumber(due) or tonumber(due))
  local old, key = byte(record, 2), shard_of(id)
  local flags = old - (has(old, EXTRAS) and EXTRAS or 0) + (extras ~= '' and EXTRAS or 0)
  local fields = write[key]
  if not fields then fields = {} write[key] = fields drop[key] = {} end
  fields[#fields + 1] = id
  fields[#fields + 1] = 'T' .. string.char(flags, (byte(record, 3) + 1) % 256) .. lane .. sub(record, 6, 11) .. due6
    .. (input == '' and sub(record, 18) or sub(input, 2))
  if extras ~= '' then
    fields[#fields + 1] = id .. 'x'
    fields[#fields + 1] = extras
  elseif has(old, EXTRAS) then drop[key][#drop[key] + 1] = id .. 'x' end
  left_index[#left_index + 1] = ARGV[at + 2]
  left_index[#left_index + 1] = 'B' .. sub(record, 1, 1) .. id
  timed[#timed + 1] = 0
  timed[#timed + 1] = lane .. due6 .. id
  index[#index + 1] = 0
  index[#index + 1] = 'Bt' .. id
  by_lane[lane] = (by_lane[lane] or 0) + 1
  if with_events then tell(ARGV[at + 6]) end
end
for k, id in ipairs(ids) do
  local at = 4 + (k - 1) * ${REVIVAL_ARGUMENTS}
  if not records[id] then letters[k] = 'g'
  elseif running[k] or sub(records[id], 1, 17) ~= ARGV[at + 1] then letters[k] = 'c'
  else
    letters[k] = 'a'
    revive(at)
  end
end
if timed[1] then
  for key, fields in pairs(write) do
    call('HSET', key, unpack(fields))
    if drop[key][1] then call('HDEL', key, unpack(drop[key])) end
  end
  call('ZREM', INDEX, unpack(left_index))
  call('ZADD', INDEX, unpack(index))
  call('ZADD', TIMED, unpack(timed))
  for lane, count in pairs(by_lane) do
    call('HINCRBY', META, 'e' .. lane, -count)
    wake(lane, count)
  end
end
publish_told()
local reply = { now, followed, table.concat(letters) }
remember(nonce, reply[3], arrived)
return reply
`;

export const REVIVE_JOBS: Script = script(
  "revive",
  "settle",
  PRELUDE,
  WRITING,
  TELLING,
  WAKING,
  REVIVE,
);
