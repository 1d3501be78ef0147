// A program that speaks the process protocol: it does what its input's `act` says. Warm when started with --warm.
import { createInterface } from "node:readline";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ millrace: 1 });
process.stderr.write(`hello from ${process.pid}\n`);

const acts = {
  add: ({ a, b }) => {
    say({ kind: "progress", value: 0.5 });
    say({ kind: "log", level: "warn", message: "adding", fields: { a } });
    say({ kind: "result", value: a + b });
  },
  pid: () => say({ kind: "result", value: process.pid }),
  env: () => say({ kind: "result", value: process.env }),
  fail: () => say({ kind: "error", message: "went wrong" }),
  fatal: () => say({ kind: "error", message: "never", fatal: true }),
  snooze: () => say({ kind: "snooze", delayMs: 3_600_000 }),
  garble: () => process.stdout.write("not json\n"),
  die: () => process.exit(3),
  hang: () => setInterval(() => {}, 1_000),
};

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.kind === "job") acts[message.input.act](message.input);
}
