// R6: the server's memory is full. Nothing new fits, and what runs must still end.
import { Place, QUICK_WORKER, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import { type Produced, produce } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";
import { MortalServer } from "./server.ts";
import { untilDone } from "./verdict.ts";

const ROOM_BYTES = 1_024 * 1_024;
const FILLING = "x".repeat(20_000);
const CONCURRENCY = 20;
const WORK_MS = 600;

export const scenario: Scenario = {
  id: "R6",
  fault: "maxmemory reached while jobs run, a worker dies and another starts",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 10;
    const server = chaos.use(await MortalServer.start());
    const place = new Place(chaos, "place", { url: server.url });
    const observer = await place.observe();
    const { mill, log, types, transitions } = observer;
    const totals = { refused: 0, otherwise: 0, settledWhileFull: 0, again: 0 };
    let from = 1;
    const ask = async (count: number, workMs: number): Promise<Produced> => {
      const input = { workMs, filling: FILLING };
      const production = { from, count, callers: 10, input };
      from += count;
      return produce(mill, types.work, log, production);
    };
    for (let round = 0; round < rounds; round += 1) {
      const doomed = await place.startWorker({
        worker: { ...QUICK_WORKER, concurrency: CONCURRENCY },
      });
      await ask(2 * CONCURRENCY, WORK_MS);
      await until(chaos, "jobs that run", async () => (await runningNow(mill)) > 0);
      // From here on: on a busy machine all that runs may have ended before the last refusal.
      const before = transitions.count;
      await fill(server);
      const { refusals } = await ask(2_000, 0);
      totals.refused += refusals.length;
      totals.otherwise += refusals.filter(({ code }) => code !== "STORE_FULL").length;
      await until(chaos, "jobs that end while memory is full", () => transitions.count > before);
      totals.settledWhileFull += transitions.count - before;
      // What it ran is taken back, and a worker that starts now works off what waits: both without more memory.
      await doomed.kill();
      const worker = await place.workHere({ ...QUICK_WORKER, concurrency: CONCURRENCY });
      await untilDone(chaos, observer);
      await server.say("CONFIG", "SET", "maxmemory", 0);
      totals.again += (await ask(10, 0)).kept;
      await untilDone(chaos, observer);
      await worker.close();
    }

    chaos.must("refused", totals.refused, { atLeast: rounds });
    chaos.must("refused otherwise than with STORE_FULL", totals.otherwise, { exactly: 0 });
    chaos.must("ended while memory was full", totals.settledWhileFull, { atLeast: rounds });
    chaos.must("enqueued when there is room again", totals.again, { exactly: 10 * rounds });
    chaos.must("failed", (await countJobs(mill)).failed, { exactly: 0 });
    const verdict = place.judge();
    mustKeepPromises(chaos, verdict, transitions);
    chaos.must("run twice", verdict.duplicates, { atMost: rounds * CONCURRENCY });
  },
};

async function runningNow(mill: {
  queues(): Promise<readonly { readonly counts: { readonly running: number } }[]>;
}): Promise<number> {
  return (await mill.queues()).reduce((sum, { counts }) => sum + counts.running, 0);
}

/** Leaves little room, which the next enqueues take. */
async function fill(server: MortalServer): Promise<void> {
  const info = await server.now.client.info("memory");
  const used = Number(/used_memory:(\d+)/.exec(info)?.[1]);
  await server.say("CONFIG", "SET", "maxmemory", used + ROOM_BYTES);
}
