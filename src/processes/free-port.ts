// Free TCP ports for programs that must be told where to listen.
import { once } from "node:events";
import { createServer } from "node:net";
import { MillraceError } from "../core/errors.ts";

/**
 * Ports are drawn from below the range that systems take outgoing ports from (32,768 up on Linux,
 * 49,152 up on macOS): a port from that range can be taken by any connection between the look and
 * the listen, and a probe of it can even connect to itself.
 */
const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 32_000;
/** With half of the range in use, fifty draws all miss once in 10^15. */
const MAX_DRAWS = 50;

/**
 * Finds a port that nothing listens on, on any address of this machine.
 *
 * @param taken ports to leave alone although nothing listens on them yet
 * @param random from 0 to below 1
 * @throws MillraceError `LAUNCH_FAILED` when none was found
 */
export async function findFreePort(
  taken: ReadonlySet<number>,
  random: () => number = Math.random,
): Promise<number> {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const port = LOWEST_PORT + Math.floor(random() * (HIGHEST_PORT - LOWEST_PORT));
    if (!taken.has(port) && (await isPortFree(port))) return port;
  }
  throw new MillraceError("LAUNCH_FAILED", {
    message: `no free port found from ${LOWEST_PORT} to ${HIGHEST_PORT} in ${MAX_DRAWS} draws; stop what holds them, or give the fleet ports of its own`,
  });
}

/** Whether a program could listen on a port now. */
export async function isPortFree(port: number): Promise<boolean> {
  // Both, because a program on 127.0.0.1 does not keep another from listening on all IPv6 addresses.
  return (await canListen(port, "127.0.0.1")) && (await canListen(port));
}

async function canListen(port: number, host?: string): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, exclusive: true, ...(host === undefined ? {} : { host }) });
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
