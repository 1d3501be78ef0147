// Names of this machine resolved without asking anybody.
import type { LookupFunction } from "node:net";
import { lookup } from "node:dns";

const LOOPBACK = [
  { address: "127.0.0.1", family: 4 },
  { address: "::1", family: 6 },
];

/**
 * Resolves `localhost` by itself and leaves other names to the system. The system's resolver takes a
 * thread and half a millisecond for each probe of each member, just when all of them start.
 */
export const lookupLoopback: LookupFunction = (hostname, options, callback) => {
  if (hostname !== "localhost") lookup(hostname, options, callback);
  else if (options.all === true) callback(null, LOOPBACK);
  else callback(null, "127.0.0.1", 4);
};
