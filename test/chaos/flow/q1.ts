// Q1: a limit over many worker processes, two of which are killed: measured by the handlers themselves.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defineJob } from "millrace";
import { until } from "../harness/place.ts";
import type { Program } from "../harness/process.ts";
import type { Scenario } from "../harness/scenario.ts";
import { enqueueBlank, openHere, openPlace, startWorkers } from "./limited-place.ts";

/** A lease (5 s) and a sweep (0.5 s) of the workers, and what a busy machine takes beside. */
const REGAINED_WITHIN_MS = 30_000;
const LEAST_READY = 200;
const FED = 400;
/** Longest time for all jobs: each waits for the store a few times, on a machine that others use as well. */
const TAKES_MS = { short: 150_000, long: 1_800_000 } as const;

interface Mark {
  readonly isStart: boolean;
  readonly pid: number;
  readonly atNs: bigint;
}

function readJournal(path: string): readonly Mark[] {
  const marks = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Mark => {
      const [sign, pid, at = "0"] = line.split(" ");
      return { isStart: sign === "+", pid: Number(pid), atNs: BigInt(at) };
    });
  return marks.sort((left, right) => (left.atNs < right.atNs ? -1 : 1));
}

/** How many ran at once after each mark. What ran in a process that was killed ended with it. */
function overlaps(
  marks: readonly Mark[],
  killed: ReadonlyMap<number, bigint>,
): readonly { readonly atNs: bigint; readonly count: number }[] {
  const running = new Map<number, number>();
  return marks.map(({ isStart, pid, atNs }) => {
    for (const [dead, diedNs] of killed) if (diedNs <= atNs) running.delete(dead);
    running.set(pid, (running.get(pid) ?? 0) + (isStart ? 1 : -1));
    return { atNs, count: [...running.values()].reduce((sum, each) => sum + each, 0) };
  });
}

/** How many a process runs. */
function runningIn(path: string, pid: number): number {
  return readJournal(path)
    .filter((mark) => mark.pid === pid)
    .reduce((sum, { isStart }) => sum + (isStart ? 1 : -1), 0);
}

/** Kills a process while it runs jobs; gives how many. `0`: it ran none, and lives. */
async function killAtWork(program: Program, journal: string): Promise<number> {
  program.signal("SIGSTOP");
  const held = runningIn(journal, program.pid);
  if (held > 0) await program.kill();
  else program.signal("SIGCONT");
  return held;
}

/** How long after the last kill the limit was fully used, in milliseconds. */
function regainedAfterMs(
  marks: readonly Mark[],
  killed: ReadonlyMap<number, bigint>,
  limit: number,
): number | undefined {
  const lastKillNs = [...killed.values()].at(-1) ?? 0n;
  const again = overlaps(marks, killed).find(
    ({ atNs, count }) => atNs > lastKillNs && count === limit,
  );
  return again === undefined ? undefined : Number(again.atNs - lastKillNs) / 1e6;
}

export const scenario: Scenario = {
  id: "Q1",
  fault: "workers of a queue with a limit killed with SIGKILL while it is fully used",
  async run(chaos) {
    const { jobs, workers, kills, limit, runMs } = chaos.isShort
      ? { jobs: 400, workers: 3, kills: 1, limit: 4, runMs: 10 }
      : { jobs: 50_000, workers: 8, kills: 2, limit: 10, runMs: 1 };
    const withinMs = chaos.isShort ? TAKES_MS.short : TAKES_MS.long;
    const place = await openPlace(chaos);
    const journal = join(chaos.directory, "journal");
    const bounds = { concurrency: limit };
    const type = defineJob({ name: "limited", limits: [bounds] });
    const mill = await openHere(chaos, place, [type]);
    await enqueueBlank(mill, type, jobs);
    const options = { ...place, journal, limit: bounds, runMs };
    const programs = await startWorkers(chaos, workers, options);
    const counts = async (): Promise<{ readonly ready: number; readonly running: number }> => {
      const queue = (await mill.queues()).find(({ name }) => name === "limited");
      return queue?.counts ?? { ready: 0, running: 0 };
    };
    await until(
      chaos,
      "a quarter of the jobs",
      async () => (await counts()).ready < jobs * 0.75,
      withinMs,
    );
    const killed = new Map<number, bigint>();
    let held = 0;
    const killAnother = async (): Promise<boolean> => {
      const living = programs.filter(({ pid }) => !killed.has(pid));
      const program = living[chaos.random.integer(0, living.length - 1)];
      const heldByIt = program === undefined ? 0 : await killAtWork(program, journal);
      if (program === undefined || heldByIt === 0) return false;
      killed.set(program.pid, process.hrtime.bigint());
      held += heldByIt;
      return killed.size === kills;
    };
    await until(chaos, "the kills", killAnother, withinMs);
    // There is always something to run, until the places of the dead are used again.
    const isRegained = async (): Promise<boolean> => {
      if ((await counts()).ready < LEAST_READY) await enqueueBlank(mill, type, FED);
      return regainedAfterMs(readJournal(journal), killed, limit) !== undefined;
    };
    await until(chaos, "the whole limit in use again", isRegained, withinMs);
    const isDone = async (): Promise<boolean> => {
      const { ready, running } = await counts();
      return ready + running === 0;
    };
    await until(chaos, "the end of all jobs", isDone, withinMs);

    const marks = readJournal(journal);
    const most = overlaps(marks, killed).reduce((max, { count }) => Math.max(max, count), 0);
    chaos.figure("worker processes", workers);
    chaos.figure("kills", kills);
    chaos.must("places held by the killed", held, { atLeast: kills });
    chaos.must("started", marks.filter(({ isStart }) => isStart).length, { atLeast: jobs });
    chaos.must(`most at once, of a limit of ${limit}`, most, { exactly: limit });
    const regainedMs = regainedAfterMs(marks, killed, limit) ?? Number.NaN;
    chaos.must("ms until fully used again", Math.round(regainedMs), { atMost: REGAINED_WITHIN_MS });
  },
};
