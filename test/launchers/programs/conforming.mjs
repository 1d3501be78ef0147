// A program that does what the launchers' conformance suite asks, by the process protocol, cold or kept warm.
import { createInterface } from "node:readline";

const isWarm = process.argv.includes("--warm");
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const result = (value) => say({ kind: "result", value });
const begun = ({ token }) => say({ kind: "progress", value: { token } });
const HOUR_MS = 3_600_000;
/** Keeps the process alive while it waits: its input ends with the job, unless it is warm. */
const goOn = () => setInterval(() => {}, 1_000);
let asked = () => {};

const acts = {
  echo: ({ input }) => result(input.value),
  job: ({ id, attempt, token }) => result({ id, attempt, token }),
  tell: ({ input: { secret } }) => {
    say({ kind: "progress", value: { done: 0.5, secret } });
    say({ kind: "log", level: "info", message: `told ${secret}` });
    result(null);
  },
  fail: ({ input }) => say({ kind: "error", message: `as asked ${input.secret}` }),
  "second-try": ({ input, attempt }) =>
    attempt > 1 ? result(input.value) : say({ kind: "error", message: "not the first time" }),
  fatal: () => say({ kind: "error", message: "as asked", fatal: true }),
  later: () => say({ kind: "error", message: "later", retryAfterMs: HOUR_MS }),
  snooze: () => say({ kind: "snooze", delayMs: HOUR_MS }),
  large: ({ input }) => result("x".repeat(input.value)),
  slow: (job) => {
    begun(job);
    setTimeout(() => result(job.input.value), 500);
  },
  wait: (job) => {
    const keepAlive = goOn();
    asked = () => {
      clearInterval(keepAlive);
      say({ kind: "log", level: "info", message: "asked" });
      say({ kind: "error", message: "asked to end" });
    };
    begun(job);
  },
  hang: (job) => {
    asked = () => {};
    goOn();
    begun(job);
  },
};

process.on("SIGTERM", () => asked());
say({ millrace: 1 });
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.kind === "cancel") asked();
  else acts[message.input.act](message);
}
if (isWarm) process.exit();
