// U3: ten million distinct pairs in one window, of which half a million may be held.
import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Chaos, Scenario } from "../harness/index.ts";
import type { AggregateAnswer } from "../programs/aggregate.ts";

const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
const BYTES_PER_ROW = 140;
/** 24 to 40 bytes a pair, as much again while the table grows, and the report's pieces on their way out. */
const MEMORY_BYTES_PER_PAIR = 100;
/** What a Node process takes besides, buffers that were read and wait for the collector above all. */
const MEMORY_BYTES_BESIDE = 128 * 1024 * 1024;

/** Every pair of the ids once, as fast as the client reads. */
async function sendAllPairs(socket: WebSocket, ids: readonly string[]): Promise<void> {
  socket.send(JSON.stringify(ids.map((id) => ({ parent: id, child: id }))));
  for (const source of ids) {
    for (const destination of ids) {
      const ends = `"source":"${source}","destination":"${destination}"`;
      socket.send(`{${ends},"method":"GET","path":"/list","httpStatus":200}`);
    }
    while (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }
}

async function run(chaos: Chaos): Promise<void> {
  const idCount = chaos.isShort ? 300 : 3_163;
  const maxPairs = chaos.isShort ? 5_000 : 500_000;
  const pairs = idCount ** 2;
  const ids = Array.from({ length: idCount }, () => randomUUID());
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    perMessageDeflate: false,
    maxPayload: 2 * maxPairs * BYTES_PER_ROW,
  });
  chaos.use({
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  });
  const report = Promise.withResolvers<readonly { readonly count: number }[]>();
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer) => report.resolve(JSON.parse(data.toString()) as never));
    void sendAllPairs(socket, ids);
  });
  await once(server, "listening");

  // A process of its own, so that its memory is measured and not the server's.
  const { port } = server.address() as AddressInfo;
  const order = JSON.stringify({ url: `ws://127.0.0.1:${port}/`, maxPairs, messages: pairs });
  const child = fork(new URL("../programs/aggregate.ts", import.meta.url), [order], {
    execArgv: ["--conditions=millrace-source"],
    signal: chaos.signal,
  });
  chaos.use({ [Symbol.dispose]: () => child.kill("SIGKILL") });
  const [told] = (await once(child, "message")) as [AggregateAnswer];
  const rows = await report.promise;
  const listed = rows.reduce((sum, { count }) => sum + count, 0);
  chaos.figure("distinct pairs sent", pairs);
  chaos.must("pairs reported", rows.length, { exactly: maxPairs });
  chaos.must("counted past the bound", told.overflow, { exactly: pairs - maxPairs });
  chaos.must("sum of rows and overflow", listed + told.overflow, { exactly: pairs });
  chaos.must("bytes of memory taken at the most", told.peakBytes, {
    atMost: maxPairs * MEMORY_BYTES_PER_PAIR + MEMORY_BYTES_BESIDE,
  });
}

export const scenario: Scenario = {
  id: "U3",
  fault: "rollup: 10,000,000 distinct pairs; memory under its cap, overflow counted, sum conserved",
  run,
};
