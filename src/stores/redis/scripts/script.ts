// A Lua script as the store sends it, and the part that all scripts begin with.
import { createHash } from "node:crypto";
import { MAX_LOG_LINES } from "../../../core/limits.ts";
import { FIRST_LIMIT_KEY, FIXED_KEYS, LIST_SLOTS, MAX_LANES, RECORD_SHARDS } from "../layout.ts";

/** A script: its text, and the hash by which a server that has it knows it. */
export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha: string;
  readonly isRead: boolean;
  /** The script as it is for a place. */
  at(place: Place): Script;
}

/** Where a script is called. */
interface Place {
  /** Milliseconds by which its clock is ahead of the server's, for tests. */
  readonly shiftMs: number;
  readonly isCluster: boolean;
}

/**
 * What a server may do with a script. `write`: refused up front when memory is full; `settle`: let through all the same,
 * for it frees memory; `read`: may run on a replica and beside a failed disk.
 */
type ScriptKind = "write" | "settle" | "read";

const FLAGS: Readonly<Record<ScriptKind, string>> = {
  write: "#!lua flags=\n",
  settle: "#!lua flags=allow-oom\n",
  read: "#!lua flags=no-writes\n",
};

/** The server's time, in milliseconds; a test may move it, but not that by which followers are known to live. */
export const CLOCK: string = `
local clock = redis.call('TIME')
local server_now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now = server_now + 0
`;

/**
 * Whether all who listen are counted by what a script publishes. A server of a Cluster counts those who listen at it, and
 * passes the message on to the others.
 */
const AUDIENCE = `
local COUNTS_ALL = true
`;
const AUDIENCE_OF_CLUSTER: string = AUDIENCE.replace("true", "false");

/** Makes a script of its parts. */
export function script(name: string, kind: ScriptKind, ...parts: readonly string[]): Script {
  return withSource(name, kind, FLAGS[kind] + bodyOf(parts));
}

/** The text of a script, or of a function that does what one does. */
export function bodyOf(parts: readonly string[]): string {
  const [first = "", ...rest] = parts;
  if (!first.startsWith(PRELUDE)) return parts.join("\n");
  /*
   * The rest in a function of its own: a helper that uses what the prelude names copies a pointer then, where it would
   * search all open locals each time that the script is called. A call for one job took 34 µs instead of 37. And what
   * comes with the prelude may answer before any helper is made.
   */
  return `${first}\nreturn (function()\n${rest.join("\n")}\nend)()`;
}

function withSource(name: string, kind: ScriptKind, source: string): Script {
  let ofCluster: Script | undefined;
  const made: Script = {
    name,
    source,
    sha: createHash("sha1").update(source).digest("hex"),
    isRead: kind === "read",
    at: ({ shiftMs, isCluster }) => {
      if (shiftMs !== 0) {
        const shifted = source.replaceAll(CLOCK, CLOCK.replace("+ 0", `+ ${shiftMs}`));
        return withSource(name, kind, shifted).at({ shiftMs: 0, isCluster });
      }
      if (!isCluster) return made;
      ofCluster ??= withSource(name, kind, source.replaceAll(AUDIENCE, AUDIENCE_OF_CLUSTER));
      return ofCluster;
    },
  };
  return made;
}

/** Values of one command. */
const VALUES_A_CALL = 1_000;

/** Bytes of two texts that are compared at once: a call for each took five times as long. */
const COMPARED_AT_ONCE = 8;
const numbers: readonly number[] = Array.from({ length: COMPARED_AT_ONCE }, (_, at) => at + 1);
const named = (name: string): string => numbers.map((number) => name + number).join(", ");
/** A byte that is not there comes before all others. */
const COMPARISONS: string = numbers
  .map((n) => `if a${n} ~= b${n} then return not a${n} or b${n} ~= nil and a${n} < b${n} end`)
  .join("\n    ");

/** Names of the keys, the server's time, and where a job's record is. */
export const PRELUDE: string = `
local call, sub, byte, find, floor, pack = redis.call, string.sub, string.byte, string.find, math.floor, struct.pack
local META, TIMED, RUNNING, TIMERS, INDEX, IDLE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local RUNS, OUTBOX = KEYS[7], KEYS[8]
local KEYED, TURNS, GATES = KEYS[${FIRST_LIMIT_KEY}], KEYS[${FIRST_LIMIT_KEY + 1}], KEYS[${FIRST_LIMIT_KEY + 2}]
local ARRIVALS = KEYS[${FIRST_LIMIT_KEY + 3}]
-- What is made of gates where the room has any: gates.ts.
local limits
${AUDIENCE}${CLOCK}
local now6 = pack('>I6', now)
-- The server compares texts as the locale that it was started in has it, where most bytes may count as nothing.
local function precedes(left, right)
  for k = 1, #left, ${COMPARED_AT_ONCE} do
    local ${named("a")} = byte(left, k, k + ${COMPARED_AT_ONCE - 1})
    local ${named("b")} = byte(right, k, k + ${COMPARED_AT_ONCE - 1})
    ${COMPARISONS}
  end
  return #left < #right
end
-- A call with many values, in parts that Lua's stack takes; what comes in pairs is not parted.
local function in_parts(command, key, values)
  for from = 1, #values, ${VALUES_A_CALL} do
    call(command, key, unpack(values, from, math.min(#values, from + ${VALUES_A_CALL - 1})))
  end
end
-- Reads fields of a hash, in parts.
local function read_fields(key, fields)
  if not fields[${VALUES_A_CALL + 1}] then return fields[1] and call('HMGET', key, unpack(fields)) or {} end
  local values = {}
  for from = 1, #fields, ${VALUES_A_CALL} do
    local to = math.min(#fields, from + ${VALUES_A_CALL - 1})
    local part = call('HMGET', key, unpack(fields, from, to))
    for k = from, to do values[k] = part[k - from + 1] end
  end
  return values
end
-- The time in a record from which its job can run.
local function due_of(record) return (struct.unpack('>I6', record, 12)) end
-- Whether a running entry is of a claim. What may stand behind it, after a zero byte, is the job's mark: what it holds
-- of limits (gates.ts).
local function is_of(run, claim) return find(run, claim, 10, true) == 10 and (byte(run, 10 + #claim) or 0) == 0 end
local function mark_of(run)
  local before = find(run, '\\0', find(run, '\\0', 10, true) + 1, true)
  return before and sub(run, before + 1)
end
-- Ids made in one burst share the low time byte's high bits, so a batch touches few shards.
local function shard_of(id)
  local low = byte(id, 6)
  return KEYS[${FIXED_KEYS + LIST_SLOTS + 1} + (low - low % ${256 / RECORD_SHARDS}) / ${256 / RECORD_SHARDS}]
end
-- Bits of a record's second byte: what else is kept of the job.
local EXTRAS, PROGRESS, LOGS, TAGS, EXPIRES, RESULT, CANCEL, KIN = 1, 2, 4, 8, 16, 32, 64, 128
local function has(flags, bit) return flags % (bit * 2) >= bit end
-- What is kept beside the record of a job that a workflow run made, or that is one: the run that made it (16 bytes,
-- zeros: none), how many texts its own record has (4), and - it is no run, t it was told something and has not begun,
-- r it has begun, w it waits at its owner.
local NOBODY = string.rep('\\0', 16)
local NO_KIN = NOBODY .. '\\0\\0\\0\\0-'
`;

/**
 * For scripts that write: makes the room when it is new (every key gets a sentinel, so that a script that meets a slot
 * in migration is told TRYAGAIN and never finds half of its keys gone), and forgets the replies that arrived.
 */
export const WRITING: string = `
local function open_room(version)
  if version then return end
  call('HSET', META, 'v', 1, 'lanes', 0)
  call('ZADD', TIMED, 0, '')
  -- Longer than a listpack's bound: the hash is a table from the start.
  call('HSET', RUNNING, '', string.rep('-', 80))
  call('ZADD', TIMERS, '+inf', '')
  call('ZADD', INDEX, 0, '')
  call('ZADD', IDLE, -1, '')
  call('ZADD', RUNS, 0, '')
  call('HSET', OUTBOX, '', '')
  for k = ${FIXED_KEYS + 1}, ${FIXED_KEYS + LIST_SLOTS} do call('LPUSH', KEYS[k], '') end
  for k = ${FIXED_KEYS + LIST_SLOTS + 1}, ${FIXED_KEYS + LIST_SLOTS + RECORD_SHARDS} do call('HSET', KEYS[k], '', '') end
  call('ZADD', KEYED, 0, '')
  call('ZADD', TURNS, 0, '')
  call('HSET', GATES, '', '')
  call('RPUSH', ARRIVALS, '')
end
-- The reply that was kept of a call that comes again. It is written again: who waits for replicas after a call that wrote
-- nothing, on another connection than the first, is told by Redis 7.2 and later that they have all of nothing.
local function say_again(nonce, kept)
  call('HSET', META, 'n' .. nonce, kept)
  return sub(kept, 7)
end
-- Keeps the reply of this call for its retry, and drops those that its sender says arrived.
local function remember(nonce, reply, arrived)
  call('HSET', META, 'n' .. nonce, now6 .. reply)
  if #arrived == 12 then call('HDEL', META, 'n' .. arrived)
  elseif #arrived > 12 then
    local fields = {}
    for at = 1, #arrived, 12 do fields[#fields + 1] = 'n' .. sub(arrived, at, at + 11) end
    call('HDEL', META, unpack(fields))
  end
end
`;

/** For scripts that tell followers: one message a call, numbered, so that a follower sees a gap. */
export const TELLING: string = `
local told = {}
local function tell(event) if event ~= '' then told[#told + 1] = event end end
local function publish_told()
  if #told == 0 then return end
  local seq = call('HINCRBY', META, 'seq', 1)
  call('PUBLISH', sub(META, 1, -2) .. 'e', seq .. ' ' .. now .. ' [' .. table.concat(told, ',') .. ']')
  told = {}
end
local UUID = '{"id":"' .. string.rep('%02x', 4) .. ('-' .. string.rep('%02x', 2)):rep(3) .. '-' .. string.rep('%02x', 6) .. '",'
local function id_text(id) return string.format(UUID, byte(id, 1, 16)) end
`;

/** For scripts that may meet a lane for the first time. A lane is its number (2 bytes) and its list (1 byte, 0: none). */
export const LANES: string = `
-- Lists that this call is going to use: they may be empty still, and are not free for all that.
local spoken_for = {}
local function free_slot()
  local holders = call('HMGET', META, ${Array.from({ length: LIST_SLOTS }, (_, index) => `'s${index + 1}'`).join(", ")})
  for slot = 1, ${LIST_SLOTS} do
    if not holders[slot] then return slot end
  end
  for slot = 1, ${LIST_SLOTS} do
    if not spoken_for[slot] and call('LLEN', KEYS[${FIXED_KEYS} + slot]) == 1 then
      local field = call('HGET', META, 'l' .. holders[slot])
      if field then call('HSET', META, field, holders[slot] .. string.char(0)) end
      return slot
    end
  end
  return 0
end
-- Whether so many lanes more are too many: to be asked before anything is written.
local function lacks_lanes(more)
  return more > 0 and (tonumber(call('HGET', META, 'L')) or 0) + more > ${MAX_LANES}
end
-- field: 'd' and the lane's definition.
local function make_lane(field, wants_list)
  local lane
  -- Numbers come round; one that is still in use is passed over.
  repeat lane = pack('>I2', call('HINCRBY', META, 'lanes', 1) % 65536) until call('HEXISTS', META, 'l' .. lane) == 0
  local slot = wants_list and free_slot() or 0
  spoken_for[slot] = true
  if slot > 0 then call('HSET', META, 's' .. slot, lane) call('HDEL', META, 'D' .. slot) end
  call('HSET', META, field, lane .. string.char(slot), 'l' .. lane, field)
  call('HINCRBY', META, 'L', 1)
  call('HINCRBY', META, 'v', 1)
  -- Workers that wait don't know the lane yet.
  wake_all()
  return lane .. string.char(slot)
end
`;

/** For scripts that keep log lines: up to their bound; later ones are counted, which leaves a gap in the numbers. */
export const LINES: string = `
local function append_lines(id, key, lines)
  local seq = tonumber(call('HGET', key, id .. 'n') or 0)
  local write = {}
  for _, line in ipairs(lines) do
    seq = seq + 1
    if seq <= ${MAX_LOG_LINES} then
      write[#write + 1] = id .. pack('>I2', seq)
      write[#write + 1] = line
    end
  end
  call('HSET', key, id .. 'n', math.min(seq, ${MAX_LOG_LINES}), unpack(write))
end
`;

/**
 * For scripts that remove or move jobs, after ROWS. A lane is kept while a job names it: those that wait in its list or by time and
 * those that run are found there; of those that ended, or were put out of memory until they are told something, whose
 * records name it all the same, the lane has a count.
 */
export const RECORDS: string = `
local function count_ended(record, more) call('HINCRBY', META, 'e' .. sub(record, 4, 5), more) end
local function ended_member(place, id, extras)
  return 'E' .. place .. extras.t .. '\\0' .. pack('>I6', extras.A) .. pack('>I6', extras.f) .. id
end
-- Removes the record of a workflow run.
local function drop_run(id, kin)
  if sub(kin, 21) == '-' then return end
  if sub(kin, 21) == 'w' then call('ZREM', INDEX, 'Bw' .. id) end
  call('ZREMRANGEBYLEX', RUNS, '[' .. id .. 'e', '(' .. id .. 'g')
end
-- Removes what is kept of a job; its place in lists and sets is left to the caller.
local function purge(id, flags, key)
  if flags == 0 then call('HDEL', key, id) return end
  local fields = { id }
  if has(flags, TAGS) then
    local extras = cjson.decode(call('HGET', key, id .. 'x'))
    for _, tag in ipairs(extras.g) do call('ZREM', INDEX, 'G' .. tag .. '\\0' .. id) end
  end
  if has(flags, EXTRAS) then fields[#fields + 1] = id .. 'x' end
  if has(flags, PROGRESS) then fields[#fields + 1] = id .. 'p' end
  if has(flags, RESULT) then fields[#fields + 1] = id .. 'r' end
  if has(flags, EXPIRES) then call('ZREM', TIMERS, 'x' .. id) end
  if has(flags, CANCEL) then call('ZREM', TIMERS, 'c' .. id) end
  if has(flags, KIN) then
    fields[#fields + 1] = id .. 'k'
    drop_run(id, call('HGET', key, id .. 'k'))
  end
  if has(flags, LOGS) then
    fields[#fields + 1] = id .. 'n'
    for seq = 1, tonumber(call('HGET', key, id .. 'n') or 0) do fields[#fields + 1] = id .. pack('>I2', seq) end
  end
  call('HDEL', key, unpack(fields))
end
-- Takes a job that is ready out from under its keys. Gives back whether it was there.
local function leave_group(id, record, key)
  local extras = call('HGET', key, id .. 'x')
  local keys = extras and cjson.decode(extras).K
  if not keys then return false end
  if not rows then open_rows() end
  return rows.remove(sub(record, 4, 5) .. keys, sub(record, 12, 17) .. id)
end
-- A job ends or leaves the queue: it stands for no new ones of its keys any more.
local function end_standing(id, key)
  local extras = call('HGET', key, id .. 'x')
  -- A text in the extras that looks like the mark costs commands that find nothing to remove.
  if not extras or not string.find(extras, '"O":', 1, true) then return end
  for gate in string.gmatch(cjson.decode(extras).K or '', '[^\\1]+\\1[^\\1]+') do
    call('ZREM', TURNS, 'S' .. gate .. '\\0' .. id)
  end
end
-- Takes a waiting or ended job out of its place.
local function leave_place(id, record, key)
  local place = sub(record, 1, 1)
  if place == 'T' then
    if call('ZREM', TIMED, sub(record, 4, 5) .. sub(record, 12, 17) .. id) == 0
      and not leave_group(id, record, key) then call('HINCRBY', META, 'X', -1) end
    call('ZREM', INDEX, 'Bt' .. id)
  elseif place == 'L' then
    -- It stays in its list as a mark that a claim skips: taking it out would be linear.
    local field = call('HGET', META, 'l' .. sub(record, 4, 5))
    local slot = field and byte(call('HGET', META, field), 3) or 0
    if slot > 0 then call('HINCRBY', META, 'D' .. slot, 1) end
  elseif place == 'P' then
    call('ZREM', INDEX, 'Bp' .. id)
    count_ended(record, -1)
  else
    local extras = cjson.decode(call('HGET', key, id .. 'x'))
    call('ZREM', INDEX, ended_member(place, id, extras), 'B' .. place .. id)
    count_ended(record, -1)
  end
end
`;
