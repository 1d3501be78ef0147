// A program of the process protocol that gives each job's input back: cold, or kept for further jobs.
import { createInterface } from "node:readline";

process.stdout.write('{"millrace":1}\n');
for await (const line of createInterface({ input: process.stdin })) {
  const { kind, input } = JSON.parse(line);
  if (kind === "job") process.stdout.write(`${JSON.stringify({ kind: "result", value: input })}\n`);
}
