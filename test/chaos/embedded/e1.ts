// E1: several processes that enqueue and work on one file, killed at any moment.
import { setTimeout as sleep } from "node:timers/promises";
import { Place, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import type { Program } from "../harness/process.ts";
import type { Scenario } from "../harness/scenario.ts";

const PROCESSES = 3;
/** Numbers that each process may give its jobs: its successor goes on above them. */
const NUMBERS = 100_000;

export const scenario: Scenario = {
  id: "E1",
  fault: "three processes on one file, each killed with SIGKILL while it enqueues and works",
  async run(chaos) {
    const kills = chaos.isShort ? 4 : 200;
    const place = new Place(chaos);
    const { mill, transitions } = await place.observe();
    let started = 0;
    const producing: Promise<unknown>[] = [];
    const start = async (): Promise<Program> => {
      const program = await place.startWorker();
      const from = started * NUMBERS;
      started += 1;
      const production = {
        from,
        count: chaos.isShort ? 200 : 1_000,
        callers: 5,
        input: { workMs: 5 },
      };
      const produced = program.ask({ kind: "produce", type: "work", production }, chaos.signal);
      // A process that was killed gives no answer; what it promised by then is in the log.
      producing.push(produced.catch(() => {}));
      return program;
    };
    const programs = await Promise.all(Array.from({ length: PROCESSES }, start));
    for (let kill = 1; kill <= kills; kill += 1) {
      await sleep(chaos.random.integer(20, 300), undefined, { signal: chaos.signal });
      const victim = chaos.random.integer(0, PROCESSES - 1);
      await programs[victim]?.kill();
      programs[victim] = await start();
    }
    await Promise.all(producing);
    const isDone = async (): Promise<boolean> => (await countJobs(mill)).open === 0;
    await until(chaos, "the end of all jobs", isDone);

    chaos.figure("kills", kills);
    const verdict = place.judge();
    mustKeepPromises(chaos, verdict, transitions);
    chaos.figure("run twice", verdict.duplicates);
    await mill.close();
    for (const program of programs) await program.kill();
    chaos.must("errors in the file", place.checkIntegrity() === "ok" ? 0 : 1, { exactly: 0 });
  },
};
