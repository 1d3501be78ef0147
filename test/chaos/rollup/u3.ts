// U3: ten million distinct pairs in one window, of which half a million may be held.
import { randomUUID } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { Aggregator, type AggregatorWindow } from "millrace/rollup";
import { type WebSocket, WebSocketServer } from "ws";
import { until } from "../../rollup/aggregated.ts";
import type { Chaos, Scenario } from "../harness/index.ts";

const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
/** 24 to 40 bytes a pair, twice that while the table grows, and the buffers of one connection. */
const MEMORY_CAP_BYTES_PER_PAIR = 80;
const MEMORY_CAP_BYTES_BESIDE = 16 * 1024 * 1024;

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

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function run(chaos: Chaos): Promise<void> {
  const idCount = chaos.isShort ? 300 : 3_163;
  const maxPairs = chaos.isShort ? 5_000 : 500_000;
  const ids = Array.from({ length: idCount }, () => randomUUID());
  const port = await freePort();
  const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });
  chaos.use({
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  });
  server.on("connection", (socket) => void sendAllPairs(socket, ids));

  const windows: AggregatorWindow[] = [];
  const aggregator = new Aggregator({
    url: `ws://127.0.0.1:${port}/`,
    every: "1h",
    maxPairs,
    notify: (notice) => {
      if (notice.kind === "window") windows.push(notice.window);
    },
  });
  chaos.use({ [Symbol.asyncDispose]: () => aggregator.stop() });
  const before = process.memoryUsage().arrayBuffers;
  await aggregator.start();
  let peak = 0;
  await until(
    "everything is counted",
    () => {
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
      return aggregator.stats().counted === idCount ** 2 || chaos.signal.aborted;
    },
    600_000,
  );
  await aggregator.stop();
  const [window] = windows;
  const listed = [...window!.rows()].reduce((sum, { count }) => sum + count, 0);
  chaos.figure("distinct pairs sent", idCount ** 2);
  chaos.must("pairs held", window!.pairs, { exactly: maxPairs });
  chaos.must("counted past the bound", window!.overflow, { exactly: idCount ** 2 - maxPairs });
  chaos.must("sum of rows and overflow", listed + window!.overflow, { exactly: idCount ** 2 });
  chaos.must("bytes of buffers at the most", peak, {
    atMost: maxPairs * MEMORY_CAP_BYTES_PER_PAIR + MEMORY_CAP_BYTES_BESIDE,
  });
}

export const scenario: Scenario = {
  id: "U3",
  fault: "rollup: 10,000,000 distinct pairs; memory under its cap, overflow counted, sum conserved",
  run,
};
