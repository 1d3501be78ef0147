// What the server itself says of its work: processor time, commands, memory.
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

/** Long enough for the server's accounts to be written, and for buffers of a burst to be let go. */
const SETTLE_MS = 200;

/** A reading of the server's accounts. */
export interface Reading {
  /** Processor time of the whole process so far. */
  readonly cpuUs: number;
  /** Commands so far, those that scripts called included. */
  readonly commands: number;
}

/** Looks at a server, through a connection of its own. */
export class ServerMeter implements AsyncDisposable {
  readonly #client: Redis;

  constructor(url: string) {
    this.#client = new Redis(url);
  }

  async empty(): Promise<void> {
    await this.#client.flushall("SYNC");
  }

  async read(): Promise<Reading> {
    const cpu = await this.#client.info("cpu");
    const stats = await this.#client.info("commandstats");
    const seconds = numberIn(cpu, "used_cpu_user") + numberIn(cpu, "used_cpu_sys");
    const calls = [...stats.matchAll(/^cmdstat_(.+?):calls=(\d+)/gm)]
      .filter(([, name]) => name !== "info")
      .reduce((sum, [, , count]) => sum + Number(count), 0);
    return { cpuUs: seconds * 1e6, commands: calls };
  }

  async usedMemory(): Promise<number> {
    await sleep(SETTLE_MS);
    return numberIn(await this.#client.info("memory"), "used_memory");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.disconnect();
  }
}

function numberIn(info: string, field: string): number {
  const [, value] = new RegExp(`^${field}:([\\d.]+)`, "m").exec(info) ?? [];
  return Number(value);
}
