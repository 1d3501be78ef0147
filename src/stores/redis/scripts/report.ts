// Keeps what running jobs report.
import { LINES, PRELUDE, type Script, TELLING, WRITING, script } from "./script.ts";

/*
 * keys: the room's.
 * arguments: nonce, nonces of replies that arrived, number of reports; each: id, claim (worker, zero byte, token),
 *   progress or "", number of lines, lines (JSON), number of events, events.
 * reply: [server time, 1 if somebody follows, letters: a kept, s stale, g gone].
 * cost: about 4 commands a report and one for its lines.
 */
const BODY = `
local nonce, arrived, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
local meta = call('HMGET', META, 'v', 'W', 'n' .. nonce)
open_room(meta[1])
local followed = meta[2] and tonumber(meta[2]) > server_now and 1 or 0
if meta[3] then return { now, followed, say_again(nonce, meta[3]) } end
local letters = {}
local at = 4
for k = 1, count do
  local id, claim, progress, lines = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local lines_at = at + 3
  local events = tonumber(ARGV[lines_at + lines + 1])
  local events_at = lines_at + lines + 1
  at = events_at + events + 1
  local key = shard_of(id)
  local run = call('HGET', RUNNING, id)
  if not run or not is_of(run, claim) then
    letters[k] = call('HEXISTS', key, id) == 1 and 's' or 'g'
  else
    letters[k] = 'a'
    local flags = byte(run, 1)
    local write = {}
    if progress ~= '' then
      write[1], write[2] = id .. 'p', progress
      if not has(flags, PROGRESS) then flags = flags + PROGRESS end
    end
    if lines > 0 then
      local texts = {}
      for line = 1, lines do texts[line] = ARGV[lines_at + line] end
      append_lines(id, key, texts)
      if not has(flags, LOGS) then flags = flags + LOGS end
    end
    if write[1] then call('HSET', key, unpack(write)) end
    if flags ~= byte(run, 1) then call('HSET', RUNNING, id, string.char(flags) .. sub(run, 2)) end
    if followed == 1 then for event = 1, events do tell(ARGV[events_at + event]) end end
  end
end
publish_told()
remember(nonce, table.concat(letters), arrived)
return { now, followed, table.concat(letters) }
`;

export const REPORT: Script = script("report", "settle", PRELUDE, WRITING, TELLING, LINES, BODY);
