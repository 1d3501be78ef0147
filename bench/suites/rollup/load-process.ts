// Starts the load generator beside a measurement, and ends it with it.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** The fixed part of the WebSocket handshake (RFC 6455, 1.3). */
export const HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export interface LoadOptions {
  readonly children: number;
  readonly parents: number;
  /** How many messages of random pairs. */
  readonly messages: number;
  /** Instead: every pair of children once, in order. */
  readonly everyPairOnce: boolean;
}

export interface Load extends Disposable {
  readonly url: string;
}

export async function startLoad(options: LoadOptions): Promise<Load> {
  const load: ChildProcess = fork(new URL("./load.ts", import.meta.url), [JSON.stringify(options)]);
  const [{ url }] = (await once(load, "message")) as [{ readonly url: string }];
  return { url, [Symbol.dispose]: () => load.kill("SIGKILL") };
}
