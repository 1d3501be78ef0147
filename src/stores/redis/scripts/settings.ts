// Small writes to a namespace's directory that a worker needs to begin, also when memory is full: plain commands would
// be refused then, and nobody could work off what takes the room.
import { type Script, script } from "./script.ts";

/*
 * keys: a hash of the directory. arguments: fields and values.
 * reply: [1]. cost: 1 command.
 */
const PUT = `
redis.call('HSET', KEYS[1], unpack(ARGV))
return { 1 }
`;

/*
 * keys: one. arguments: a number, seconds for which it is kept.
 * reply: [the number that was kept first]. cost: 2 commands.
 */
const FIRST = `
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2], 'NX')
return { redis.call('GET', KEYS[1]) }
`;

export const PUT_FIELDS: Script = script("put", "settle", PUT);
export const KEEP_FIRST: Script = script("first", "settle", FIRST);
