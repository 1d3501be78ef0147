// F2: every word of a worker reaches the store twice.
import type { Scenario } from "../harness/index.ts";
import { onEveryStore } from "./runs.ts";

export const scenario: Scenario = {
  id: "F2",
  fault: "every settlement and every word of a run delivered twice",
  async run(chaos) {
    await onEveryStore(chaos, async (place) => {
      await place.startWorker({ isTwice: true });
      await place.begin(chaos.isShort ? 20 : 1_000);
      await place.judge();
    });
  },
};
