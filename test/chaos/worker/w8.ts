// W8: results that can't be kept.
import { Place } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import type { ChaosInput } from "../programs/jobs.ts";

const EXPECTED: readonly {
  readonly result: NonNullable<ChaosInput["result"]>;
  readonly code: string;
}[] = [
  { result: "circular", code: "INVALID_OUTPUT" },
  // Where its type says that there is a result: a handler that simply returns nothing succeeds with `null`.
  { result: "undefined", code: "INVALID_OUTPUT" },
  { result: "huge", code: "TOO_LARGE" },
];

export const scenario: Scenario = {
  id: "W8",
  fault: "a result that is circular, absent where one is declared, or 10 MB large",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 100;
    const place = new Place(chaos);
    const { mill, types } = await place.observe();
    const worker = await place.startWorker();
    let unclear = 0;
    let retried = 0;
    let number = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const { result, code } of EXPECTED) {
        number += 1;
        const { id } = await mill.enqueue(types.misfit, { number, result });
        const view = await mill.wait(id, { signal: chaos.signal });
        if (view?.state !== "failed" || view.error?.code !== code) unclear += 1;
        if (view?.attempt !== 1) retried += 1;
        if (round === 0) chaos.figure(`${result}: says`, view?.error?.message ?? "nothing");
      }
    }
    number += 1;
    const receipt = await mill.enqueue(types.work, { number });
    chaos.must("results in the wrong state or with the wrong code", unclear, { exactly: 0 });
    chaos.must("tried again in vain", retried, { exactly: 0 });
    const next = await receipt.result({ signal: chaos.signal });
    chaos.must("the worker's next job", next === number && worker.isRunning ? 1 : 0, {
      exactly: 1,
    });
  },
};
