// Jobs under limits, enqueued and run while faults happen to their queue: measured by the handlers themselves.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Millrace, defineJob, openMillrace } from "millrace";
import { z } from "zod";
import { until } from "../harness/place.ts";
import type { Chaos } from "../harness/scenario.ts";

const QUEUE = "limited";
const IN_ALL = 6;
const PER_KEY = 2;
const KEYS = 10;
const AT_ONCE = 20;
const WORK_MS = 5;
const WITHIN_MS = 60_000;

/** Limits under load; the queue that they hold for. */
export interface LimitedLoad {
  readonly queue: string;
  /** Stops, waits for the last job, and says what was seen. */
  stop(): Promise<void>;
}

/** Starts two workers of a queue with limits, and a caller that enqueues without a pause. */
export async function startLimitedLoad(chaos: Chaos, store: string): Promise<LimitedLoad> {
  const running = new Map<string, number>();
  const [runs, mostOf] = [new Map<string, number>(), { queue: 0, key: 0 }];
  const work = defineJob({
    name: QUEUE,
    input: z.object({ id: z.string(), key: z.string() }),
    limits: [{ concurrency: IN_ALL }, { name: "key", key: "key", concurrency: PER_KEY }],
    retention: { succeeded: "remove" },
    run: async ({ input: { id, key } }) => {
      runs.set(id, (runs.get(id) ?? 0) + 1);
      running.set(key, (running.get(key) ?? 0) + 1);
      mostOf.key = Math.max(mostOf.key, running.get(key) ?? 0);
      mostOf.queue = Math.max(
        mostOf.queue,
        [...running.values()].reduce((sum, n) => sum + n, 0),
      );
      await sleep(WORK_MS);
      running.set(key, (running.get(key) ?? 0) - 1);
    },
  });
  const mills: Millrace[] = [];
  for (let at = 0; at < 2; at += 1) {
    const worker = { concurrency: AT_ONCE };
    const mill = chaos.use(await openMillrace({ store, jobs: [work], logger: false, worker }));
    await mill.start();
    mills.push(mill);
  }
  const stopping = new AbortController();
  let kept = 0;
  const enqueueing = (async () => {
    while (!stopping.signal.aborted) {
      const inputs = Array.from({ length: AT_ONCE }, () => {
        const id = randomUUID();
        return { id, key: `key-${chaos.random.integer(0, KEYS - 1)}` };
      });
      await mills[0]?.enqueueMany(work, inputs);
      kept += inputs.length;
      await sleep(WORK_MS * AT_ONCE);
    }
  })();
  return {
    queue: QUEUE,
    stop: async () => {
      stopping.abort();
      await enqueueing;
      await until(chaos, "the end of jobs under limits", () => runs.size >= kept, WITHIN_MS);
      chaos.must("jobs under limits", runs.size, { exactly: kept });
      const again = [...runs.values()].filter((count) => count > 1).length;
      chaos.must("of them run twice", again, { exactly: 0 });
      chaos.must(`most at once, of a limit of ${IN_ALL}`, mostOf.queue, { atMost: IN_ALL });
      chaos.must(`most at once of a key, of ${PER_KEY}`, mostOf.key, { atMost: PER_KEY });
      for (const mill of mills) await mill.stop();
    },
  };
}
