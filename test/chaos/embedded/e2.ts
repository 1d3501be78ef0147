// E2: the power goes. What was promised must be on the disk, whatever became of the rest.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openMillrace } from "millrace";
import { Place } from "../harness/place.ts";
import { type Aftermath, cutPower, restore } from "../harness/power-loss.ts";
import type { Scenario } from "../harness/scenario.ts";
import { missingStrace, tracedTo } from "../harness/strace.ts";

export const scenario: Scenario = {
  id: "E2",
  fault: "loss of power while jobs are enqueued, run and settled",
  missing: missingStrace,
  async run(chaos) {
    const cuts = chaos.isShort ? 12 : 200;
    // One record of a run serves many cuts; the long form takes several runs, for other beginnings.
    const runs = chaos.isShort ? 1 : 4;
    const totals = { promised: 0, lost: 0, finished: 0, undone: 0, damaged: 0 };
    for (let run = 1; run <= runs; run += 1) {
      const place = new Place(chaos, `run-${run}`);
      const trace = join(place.logs, "trace");
      const program = await place.startWorker({ under: tracedTo(trace) });
      const production = {
        from: 1,
        count: chaos.isShort ? 400 : 2_000,
        callers: 20,
        followsResults: true,
      };
      await program.ask({ kind: "produce", type: "work", production }, chaos.signal);
      await program.kill();
      const found = join(chaos.directory, "found");
      const { random } = chaos;
      for (const aftermath of cutPower({
        trace,
        directory: place.data,
        cuts: cuts / runs,
        random,
      })) {
        mkdirSync(found);
        restore(aftermath, found);
        const path = join(found, "mill.db");
        const { lost, undone } = await readBack(aftermath, path);
        totals.promised += aftermath.promises.acknowledged.length;
        totals.finished += aftermath.promises.completed.length;
        totals.lost += lost;
        totals.undone += undone;
        if (place.checkIntegrity(path) !== "ok") totals.damaged += 1;
        rmSync(found, { recursive: true });
      }
    }
    chaos.figure("cuts", cuts);
    chaos.must("acknowledged", totals.promised, { atLeast: cuts });
    chaos.must("lost", totals.lost, { exactly: 0 });
    chaos.must("results handed out", totals.finished, { atLeast: cuts });
    chaos.must("results lost", totals.undone, { exactly: 0 });
    chaos.must("damaged files", totals.damaged, { exactly: 0 });
  },
};

/** Jobs that were promised and are not there, and jobs whose result was handed out and that are not done. */
async function readBack(
  { promises }: Aftermath,
  path: string,
): Promise<{ lost: number; undone: number }> {
  await using mill = await openMillrace({ store: `sqlite:${path}`, logger: false });
  const states = new Map<string, string>();
  let cursor: string | undefined;
  do {
    const page = await mill.jobs({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    for (const { id, state } of page.jobs) states.set(id, state);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return {
    lost: promises.acknowledged.filter(({ id }) => !states.has(id)).length,
    undone: promises.completed.filter(({ id }) => states.get(id) !== "succeeded").length,
  };
}
