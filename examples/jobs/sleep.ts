// The Sleep job: sleeps that long, then logs the message. Cancelling it wakes it at once.
import { setTimeout as sleepFor } from "node:timers/promises";
import { defineJob } from "millrace";
import { z } from "zod";

/** Node's timers hold at most this long. */
const MAX_SLEEP_SECONDS = 2_147_483;

export const sleep = defineJob({
  name: "Sleep",
  input: z.object({
    SleepTimeInSeconds: z.number().min(0).max(MAX_SLEEP_SECONDS),
    Message: z.string().max(1_000),
  }),
  retry: { attempts: 3 },
  async run({ input, signal, log }) {
    await sleepFor(input.SleepTimeInSeconds * 1_000, undefined, { signal });
    log.info(input.Message);
    return { message: input.Message };
  },
});
