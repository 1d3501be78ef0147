// E4: flushing fails. After a failed fsync nobody knows what is on the disk, so nothing may be promised any more.
import { Place, mustKeepPromises } from "../harness/place.ts";
import type { Produced } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";
import { missingStrace, withFailing } from "../harness/strace.ts";

export const scenario: Scenario = {
  id: "E4",
  fault: "fsync and fdatasync fail with EIO from some moment on",
  missing: missingStrace,
  async run(chaos) {
    const runs = chaos.isShort ? 1 : 20;
    const totals = { kept: 0, keptAfter: 0, refusals: 0, otherCodes: 0 };
    for (let run = 1; run <= runs; run += 1) {
      const place = new Place(chaos, `run-${run}`);
      const failing = withFailing({
        calls: ["fsync", "fdatasync"],
        error: "EIO",
        paths: [place.path, `${place.path}-wal`],
        // Opening takes some; after that every group of enqueues takes one.
        from: chaos.random.integer(30, 60),
      });
      const program = await place.startMill({ under: failing });
      const production = { from: 1, count: 2_000, callers: 10 };
      const answer = await program.ask({ kind: "produce", type: "work", production }, chaos.signal);
      const produced = answer["result"] as Produced;
      await program.kill();
      totals.kept += produced.kept;
      totals.keptAfter += produced.keptAfterRefusal;
      totals.refusals += produced.refusals.length;
      totals.otherCodes += produced.refusals.filter(({ code }) => code !== "STORE_FAILED").length;

      const sound = await place.startWorker();
      await sound.ask({ kind: "untilIdle" }, chaos.signal);
      if (run === runs) mustKeepPromises(chaos, place.judge());
      else if (place.judge().lost.length > 0) throw new Error("jobs were lost");
    }
    chaos.figure("runs", runs);
    chaos.must("promised before the fault", totals.kept, { atLeast: runs });
    chaos.must("promised after the fault", totals.keptAfter, { exactly: 0 });
    chaos.must("refusals", totals.refusals, { atLeast: runs });
    chaos.must("refusals other than STORE_FAILED", totals.otherCodes, { exactly: 0 });
  },
};
