// The queues of the suite `cluster`: many of one partition, or one of many.
import { type JobType, type Millrace, defineJob, openMillrace } from "../../../src/index.ts";
import { openRedisStore } from "../../../src/stores/redis/index.ts";
import { BULK_SIZE, CONCURRENCY, PAYLOAD } from "../../harness/workload.ts";

/** Enough that hash slots are spread evenly enough over three primaries. */
const QUEUES = 32;
const PARTITIONS = 12;

/** What the suite and its worker processes agree on. */
export interface ClusterSetup {
  readonly url: string;
  readonly namespace: string;
  readonly shape: "queues" | "partitions";
}

interface Opened extends AsyncDisposable {
  readonly mill: Millrace;
  readonly types: readonly JobType[];
}

/** Opens the client side; each job calls this as it starts. */
export async function openCluster(setup: ClusterSetup, onJob: () => void): Promise<Opened> {
  const { url, namespace, shape } = setup;
  const names =
    shape === "queues" ? Array.from({ length: QUEUES }, (_, index) => `work-${index}`) : ["work"];
  const types = names.map((name) =>
    defineJob({ name, retention: { succeeded: "remove" }, run: onJob }),
  );
  const partitions = shape === "partitions" ? { work: PARTITIONS } : {};
  const store = await openRedisStore({ url, namespace, partitions });
  const mill = await openMillrace({
    store,
    jobs: types,
    logger: false,
    worker: { concurrency: CONCURRENCY },
  });
  return {
    mill,
    types,
    [Symbol.asyncDispose]: async () => {
      await mill.close();
      await store.close();
    },
  };
}

/** Jobs that wait or run. */
export async function countWaiting(setup: ClusterSetup): Promise<number> {
  await using opened = await openCluster(setup, () => {});
  return await countIn(opened.mill);
}

async function countIn(mill: Millrace): Promise<number> {
  const queues = await mill.queues();
  return queues.reduce((sum, { counts }) => sum + counts.ready + counts.running, 0);
}

/** Enqueues so many jobs, evenly over the queues; tells how many wait then, those of a round before included. */
export async function fillCluster(setup: ClusterSetup, count: number): Promise<number> {
  await using opened = await openCluster(setup, () => {});
  const { mill, types } = opened;
  const bulk = Array.from({ length: BULK_SIZE }, () => PAYLOAD);
  const each = Math.ceil(count / types.length);
  for (const type of types) {
    for (let added = 0; added < each; added += BULK_SIZE) {
      await mill.enqueueMany(type, bulk.slice(0, each - added));
    }
  }
  return await countIn(mill);
}
