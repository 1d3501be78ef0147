// E3: the disk is full, then has room again.
import { join } from "node:path";
import { Place, mustKeepPromises, until } from "../harness/place.ts";
import type { Produced } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";
import { missingSmallDisk, onSmallDisk } from "../harness/small-disk.ts";

/** Long enough that some are enqueued before the first one runs. */
const DUE_IN_MS = 2_000;
const MEGABYTE = 1_024 * 1_024;

export const scenario: Scenario = {
  id: "E3",
  fault: "the disk is full while jobs are enqueued; later there is room again",
  missing: missingSmallDisk,
  async run(chaos) {
    // SQLite's log alone takes 4 MB before it is folded in; the jobs may have as much again.
    const freeBytes = (chaos.isShort ? 6 : 16) * MEGABYTE;
    const ballastBytes = 3 * freeBytes;
    const jobs = chaos.isShort ? 20_000 : 200_000;
    const place = new Place(chaos);
    const program = await place.startMill({
      under: onSmallDisk(place.data, freeBytes + ballastBytes),
    });
    const ask = async (message: { kind: string; [field: string]: unknown }): Promise<unknown> => {
      const answer = await program.ask(message, chaos.signal);
      if (answer["failure"] !== undefined) throw new Error(JSON.stringify(answer["failure"]));
      return answer["result"];
    };
    const produce = async (from: number, count: number): Promise<Produced> => {
      const production = { from, count, callers: 50, stopsAtRefusal: true, delayMs: DUE_IN_MS };
      return (await ask({ kind: "produce", type: "work", production })) as Produced;
    };
    await ask({ kind: "start" });
    const ballast = join(place.data, "ballast");
    await ask({ kind: "fill", path: ballast, bytes: ballastBytes });
    const full = await produce(1, jobs);
    // Jobs fall due on the full disk: what can't be claimed or settled now must be later, without a restart.
    await until(chaos, "a claim on the full disk", () => isRefused(place.printed(), "exchange"));
    await ask({ kind: "makeRoom", path: ballast });
    const after = await produce(jobs + 1, 100);
    await ask({ kind: "untilIdle" });

    const codes = new Set(full.refusals.map(({ code }) => code));
    chaos.must("refusals on the full disk", full.refusals.length, { atLeast: 1 });
    chaos.must("refusals other than STORE_FULL", codes.size - (codes.has("STORE_FULL") ? 1 : 0), {
      exactly: 0,
    });
    chaos.figure("first refusal", full.refusals[0]?.message ?? "none");
    chaos.must("refusals after room was made", after.refusals.length, { exactly: 0 });
    const verdict = place.judge();
    mustKeepPromises(chaos, verdict);
    chaos.figure("run twice", verdict.duplicates);
  },
};

/** Whether the log has a line of this operation that failed for want of room. */
function isRefused(printed: string, operation: string): boolean {
  return printed
    .split("\n")
    .some((line) => line.includes(`"op":"${operation}"`) && line.includes('"STORE_FULL"'));
}
