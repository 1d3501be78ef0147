// What one writes first: `ws`, `JSON.parse` and maps.
import { WebSocket } from "ws";
import { type Client, ownCpuMicros, ownMemoryBytes } from "./client.ts";

type Received =
  | readonly { readonly parent: string; readonly child: string }[]
  | { readonly source: string; readonly destination: string };

const parents = new Map<string, string>();
const counts = new Map<string, number>();
let messages = 0;

export const client: Client = {
  connect: (url) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, { perMessageDeflate: false });
      socket.on("open", () => resolve());
      socket.on("message", (data: Buffer) => {
        const received = JSON.parse(data.toString()) as Received;
        if (Array.isArray(received)) {
          for (const { parent, child } of received) parents.set(child, parent);
          return;
        }
        const { source, destination } = received as { source: string; destination: string };
        const key = `${parents.get(source)} ${parents.get(destination)}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
        messages += 1;
      });
    }),
  sample: async () => ({ messages, cpuMicros: ownCpuMicros() }),
  memoryBytes: ownMemoryBytes,
  stop: async () => {},
};
