// The servers of a Cluster of the suite `cluster`: how much processor time each has used.
import { Redis } from "ioredis";

/** Connections to all primaries. */
export interface Primaries extends AsyncDisposable {
  /** Processor time that each has used so far, in microseconds. */
  processorUs(): Promise<readonly number[]>;
}

/** Connects to every node that a store's URL names. */
export async function openPrimaries(url: string): Promise<Primaries> {
  const addresses = url.replace(/^.*:\/\//, "").replace(/[/?].*$/, "");
  const clients = addresses.split(",").map((address) => new Redis(`redis://${address}`));
  return {
    processorUs: () => Promise.all(clients.map(processorUsOf)),
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.disconnect();
    },
  };
}

async function processorUsOf(client: Redis): Promise<number> {
  const info = await client.info("cpu");
  const seconds = ["user", "sys"].map((name) =>
    Number(new RegExp(`^used_cpu_${name}:(.+)$`, "m").exec(info)?.[1]),
  );
  return seconds.reduce((sum, each) => sum + each, 0) * 1_000_000;
}
