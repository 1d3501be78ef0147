// The two doors of a queue: paused, nothing of it is claimed; draining, nothing new is taken in.
import { PRELUDE, type Script, WRITING, script } from "./script.ts";
import { WAKING } from "./waking.ts";

/*
 * keys: the room's. arguments: what is kept of the door; 1 to pause, 0 to resume, "" for neither; the same of draining.
 * cost: a command a door, and a message to each idle worker when a pause ends.
 */
const DOORS = `
open_room(call('HGET', META, 'v'))
local function move_door(field, wanted)
  if wanted == '1' then call('HSET', META, field, ARGV[1])
  elseif wanted == '0' then call('HDEL', META, field) end
end
move_door('P', ARGV[2])
move_door('Q', ARGV[3])
if ARGV[2] == '0' then wake_all() end
return 1
`;

export const MOVE_DOORS: Script = script("doors", "settle", PRELUDE, WRITING, WAKING, DOORS);
