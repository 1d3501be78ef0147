// Quick steps for tests of what stands beside them: no slot is ever free for one.
import { QuickSteps } from "./quick-steps.ts";
import { Slots } from "../worker/slots.ts";

export function noQuickSteps(): QuickSteps {
  return new QuickSteps({
    slots: new Slots({ concurrency: 0, labels: [] }),
    room: () => 0,
    prepare: () => [],
    settle: () => {},
    onRecorded: () => {},
    giveBack: () => {},
    onFree: () => {},
    isInProcess: () => false,
    monotonicMs: () => 0,
  });
}
