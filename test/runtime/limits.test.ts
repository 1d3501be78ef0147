// A limit over many worker processes, two of which are killed: measured by the handlers themselves.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineJob, openMillrace } from "millrace";
import { expect, test } from "vitest";
import { type Running, scratch, start } from "../cli/command-line.ts";

/** `MILLRACE_LIMIT_FORM=long`: what is claimed of limits, which takes minutes. */
const FORM =
  process.env["MILLRACE_LIMIT_FORM"] === "long"
    ? { jobs: 50_000, workers: 8, kills: 2, limit: 10, runMs: 1, takesMs: 900_000 }
    : { jobs: 400, workers: 3, kills: 1, limit: 4, runMs: 10, takesMs: 150_000 };
/** A lease and a sweep of the workers, and what a busy machine takes beside. */
const REGAINED_WITHIN_MS = 30_000;
const LEAST_READY = 200;
const FEED: readonly null[] = Array.from({ length: 400 }, () => null);

interface Mark {
  readonly isStart: boolean;
  readonly pid: number;
  readonly atNs: bigint;
}

async function readJournal(path: string): Promise<readonly Mark[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const marks = text
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

/** How long after the last kill the limit was fully used, in milliseconds. */
function regainedAt(
  marks: readonly Mark[],
  killed: ReadonlyMap<number, bigint>,
): number | undefined {
  const lastKillNs = [...killed.values()].at(-1) ?? 0n;
  const again = overlaps(marks, killed).find(
    ({ atNs, count }) => atNs > lastKillNs && count === FORM.limit,
  );
  return again === undefined ? undefined : Number(again.atNs - lastKillNs) / 1e6;
}

test(
  "a limit is never exceeded, and fully used again after workers were killed",
  { timeout: FORM.takesMs },
  async () => {
    await using directory = await scratch();
    const store = `sqlite:${join(directory.path, "limited.db")}`;
    const journal = join(directory.path, "journal");
    const limited = defineJob({ name: "limited", limits: [{ concurrency: FORM.limit }] });
    await using mill = await openMillrace({ store, jobs: [limited], logger: false });
    await mill.enqueueMany(
      limited,
      Array.from({ length: FORM.jobs }, () => null),
    );
    const program = fileURLToPath(new URL("programs/limited-worker.ts", import.meta.url));
    const args = [store, journal, String(FORM.limit), String(FORM.runMs)];
    const workers: Running[] = Array.from({ length: FORM.workers }, () =>
      start(process.execPath, ["--conditions=millrace-source", program, ...args]),
    );
    try {
      await Promise.all(workers.map((worker) => worker.line(/up/)));
      await expect
        .poll(async () => (await readJournal(journal)).length, { timeout: FORM.takesMs })
        .toBeGreaterThan(FORM.jobs / 4);
      const killed = new Map<number, bigint>();
      for (const worker of workers.slice(0, FORM.kills)) {
        await worker.stop("SIGKILL");
        killed.set(worker.child.pid ?? 0, process.hrtime.bigint());
      }
      // There is always something to run, until the places of the dead are used again.
      await expect
        .poll(
          async () => {
            const [queue] = await mill.queues();
            if ((queue?.counts.ready ?? 0) < LEAST_READY) await mill.enqueueMany(limited, FEED);
            return regainedAt(await readJournal(journal), killed);
          },
          { timeout: FORM.takesMs, interval: 250 },
        )
        .toBeDefined();
      await expect
        .poll(async () => (await mill.queues()).find(({ name }) => name === "limited")?.counts, {
          timeout: FORM.takesMs,
          interval: 250,
        })
        .toMatchObject({ ready: 0, running: 0 });
      const marks = await readJournal(journal);
      const most = overlaps(marks, killed).reduce((max, { count }) => Math.max(max, count), 0);
      expect(most).toBe(FORM.limit);
      expect(regainedAt(marks, killed)).toBeLessThan(REGAINED_WITHIN_MS);
    } finally {
      await Promise.all(workers.map((worker) => worker.stop("SIGKILL")));
    }
  },
);
