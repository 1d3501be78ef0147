// Where limits are tried: the store that was asked for, or a file of its own, and worker processes on it.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type AnyJobType, type Millrace, openMillrace } from "millrace";
import { startRedis } from "../../servers/redis-server.ts";
import { Program } from "../harness/process.ts";
import type { Chaos } from "../harness/scenario.ts";
import type { LimitedOptions } from "../programs/limited.ts";

const LIMITED = new URL("../programs/limited.ts", import.meta.url);

/** A store, and a namespace in it that nothing else uses. */
export interface LimitedPlace {
  readonly store: string;
  readonly namespace: string;
}

/** `--store redis` starts a server; any other store is used as it is given. */
export async function openPlace(chaos: Chaos): Promise<LimitedPlace> {
  const namespace = `chaos-${randomUUID()}`;
  if (chaos.store !== "redis") {
    return { store: chaos.store ?? `sqlite:${join(chaos.directory, "limited.db")}`, namespace };
  }
  const server = await startRedis();
  chaos.use({ [Symbol.asyncDispose]: () => server.stop() });
  return { store: server.url, namespace };
}

/** Opens Millrace in this process. */
export async function openHere(
  chaos: Chaos,
  place: LimitedPlace,
  jobs: readonly AnyJobType[],
  concurrency = 1,
): Promise<Millrace> {
  return chaos.use(await openMillrace({ ...place, jobs, logger: false, worker: { concurrency } }));
}

/** Starts worker processes; they work when this resolves. */
export async function startWorkers(
  chaos: Chaos,
  count: number,
  options: LimitedOptions,
): Promise<readonly Program[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, at) =>
      chaos.use(
        await Program.start({
          program: LIMITED,
          options,
          directory: chaos.directory,
          name: `limited-${at + 1}`,
        }),
      ),
    ),
  );
}

/** Enqueues so many jobs without input. */
export async function enqueueBlank(mill: Millrace, type: AnyJobType, count: number): Promise<void> {
  await mill.enqueueMany(
    type,
    Array.from({ length: count }, () => null),
  );
}
