// Lets somebody follow a room's events.
import { PRELUDE, type Script, WRITING, script } from "./script.ts";

/*
 * keys: the room's. arguments: ms for which somebody follows.
 * reply: [server time, number of the last message]. cost: 2 commands.
 */
const BODY = `
open_room(call('HGET', META, 'v'))
local known = tonumber(call('HGET', META, 'W') or 0)
-- Between two followings nothing was told: the number that is left out shows it to whoever followed before.
if known < server_now then call('HINCRBY', META, 'seq', 1) end
if server_now + ARGV[1] > known then call('HSET', META, 'W', server_now + ARGV[1]) end
return { now, tonumber(call('HGET', META, 'seq') or 0) }
`;

export const FOLLOW: Script = script("follow", "settle", PRELUDE, WRITING, BODY);
