// What the launchers' conformance suite asks of the handler under test, and a handler in JavaScript that does it.
import { setTimeout as pause } from "node:timers/promises";
import type { JobContext } from "../../core/define-job.ts";
import { fatal, retryAfter, snooze } from "../../core/outcomes.ts";

/** The acts of a handler under test, by name, each with what the handler does. `value` and `secret` are its input's. */
export const LAUNCHER_ACTS = {
  echo: "gives value back",
  job: "gives { id, attempt, token } of its job back",
  tell: "tells the progress { done: 0.5, secret } and the log line `told SECRET` (info), then gives null",
  fail: "fails with the message `as asked SECRET`; another try may succeed",
  "second-try": "fails on the first attempt, and gives value back on any other",
  fatal: "fails for good, with the message `as asked`",
  later: "fails; the next try should come in an hour",
  snooze: "says: not now, but in an hour",
  large: "gives a text of so many characters as value says",
  slow: "tells the progress { token }, goes on for half a second, and gives value back",
  wait: "tells the progress { token }, and goes on until it is asked to end; then logs `asked` and fails",
  hang: "tells the progress { token }, and never ends by itself, whatever it is asked",
} as const;

/** One of {@link LAUNCHER_ACTS}. */
export type LauncherAct = keyof typeof LAUNCHER_ACTS;

/** The input of a job under test. */
export interface LauncherActInput {
  readonly act: LauncherAct;
  readonly value: unknown;
  /** Masked wherever the job is shown. */
  readonly secret: string;
}

/** How long `slow` goes on: long enough that a stop comes in the middle of it. */
const SLOW_MS = 500;

type Perform = (context: JobContext<LauncherActInput>) => unknown;

const PERFORM: Readonly<Record<LauncherAct, Perform>> = {
  echo: ({ input }) => input.value,
  job: ({ job: { id, attempt, token } }) => ({ id, attempt, token }),
  tell: ({ input: { secret }, progress, log }) => {
    progress({ done: 0.5, secret });
    log.info(`told ${secret}`);
    return null;
  },
  fail: ({ input }) => {
    throw new Error(`as asked ${input.secret}`);
  },
  "second-try": ({ input, job }) => {
    if (job.attempt > 1) return input.value;
    throw new Error("not the first time");
  },
  fatal: () => {
    throw fatal("as asked");
  },
  later: () => {
    throw retryAfter("1h");
  },
  snooze: () => {
    throw snooze("1h");
  },
  large: ({ input }) => "x".repeat(Number(input.value)),
  slow: async ({ input, job, progress }) => {
    progress({ token: job.token });
    await pause(SLOW_MS);
    return input.value;
  },
  wait: async ({ job, signal, progress, log }) => {
    progress({ token: job.token });
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve());
    });
    log.info("asked");
    throw signal.reason;
  },
  hang: ({ job, progress }) => {
    progress({ token: job.token });
    return new Promise(() => {});
  },
};

/** Does what {@link LAUNCHER_ACTS} say: the handler under test, for launchers that call functions. */
export async function performLauncherAct(context: JobContext<LauncherActInput>): Promise<unknown> {
  return PERFORM[context.input.act](context);
}
