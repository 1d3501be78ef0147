// A run that waits for a person: for days, through restarts, at the cost of a row in the store.
import { MillraceError, defineWorkflow } from "millrace";
import { z } from "zod";

const verdict = z.object({ by: z.string() });

export const approval = defineWorkflow({
  name: "approval",
  input: z.object({ what: z.string() }),
  async run({ input, step, log }) {
    log.info(`waits for the approval of ${input.what}`);
    try {
      const { by } = await step.waitForSignal("approved", { timeout: "3d", schema: verdict });
      return { what: input.what, approved: true, by };
    } catch (error) {
      if (error instanceof MillraceError && error.code === "WAIT_TIMEOUT") {
        return { what: input.what, approved: false, by: null };
      }
      throw error;
    }
  },
});
