// `openMillrace`: puts the runtime and the rooms above it together.
import { createFigures } from "../figures/index.ts";
import { type Millrace, type MillraceOptions, openRuntime } from "../runtime/index.ts";
import { createSchedules } from "../schedule/index.ts";
import { createWorkflows } from "../workflow/index.ts";

/**
 * Opens Millrace on a store. Nothing is processed until `start`.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_CONFIG`, `INVALID_SCHEDULE`, `DUPLICATE_TYPE`, `UNSUPPORTED` and the
 * store's
 * @example
 * await using mill = await openMillrace({ store: "sqlite:millrace.db", jobs: [sendReceipt] });
 * const receipt = await mill.enqueue(sendReceipt, { orderId: "o-1", card: "4111" });
 * await mill.start();
 * await receipt.result();
 */
export async function openMillrace(options: MillraceOptions = {}): Promise<Millrace> {
  return openRuntime(options, (parts) => {
    const schedules = createSchedules(parts);
    const figures = createFigures(parts);
    const workflows = createWorkflows(parts);
    return {
      rooms: [workflows.room, schedules.room, figures.room],
      calls: { schedules: schedules.calls, figures: figures.calls, runs: workflows.calls },
      runs: workflows.runs,
      openSteps: workflows.openSteps,
    };
  });
}
