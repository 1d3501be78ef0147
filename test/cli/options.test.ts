// What is typed wrongly is told by the option or the argument as it was typed, before a store or a service is asked.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { run } from "./command-line.ts";

const ID = "01a20227-08a4-7000-a4ee-f57ef437030e";
const DURATION = 'Expected a duration such as "250ms", "30s" or "1h30m".';

const WRONG: readonly (readonly [command: string, named: string, expected: string])[] = [
  ["enqueue job 1 --delay 5", "option '--delay <duration>' argument '5'", DURATION],
  ["enqueue job 1 --timeout 0s", "option '--timeout <duration>' argument '0s'", "at least 1 ms"],
  ["enqueue job 1 --timeout x", "option '--timeout <duration>' argument 'x'", DURATION],
  ["enqueue job 1 --expires-in x", "option '--expires-in <duration>'", DURATION],
  ["enqueue job 1 --wait=soon", "option '--wait [duration]' argument 'soon'", DURATION],
  ["enqueue job 1 --run-at soon", "option '--run-at <time>'", 'such as "2030-01-31T08:00:00Z"'],
  ["enqueue job 1 --attempts 0", "option '--attempts <number>'", "a whole number from 1"],
  ["enqueue job 1 --attempts 1e999", "option '--attempts <number>'", "a whole number from 1"],
  ["enqueue job 1 --backoff 1s,x", "option '--backoff <rule>'", '"exponential", "fixed"'],
  ["enqueue job 1 --priority 9e9", "option '--priority <number>'", "at most 525600 either way"],
  ["enqueue job 1 --queue é", "option '--queue <name>' argument 'é'", "letters, digits"],
  ["enqueue job 1 --tag a --tag ", "option '--tag <tag...>' argument ''", "1 to 256 characters"],
  [`retry ${ID} --delay x`, "option '--delay <duration>'", DURATION],
  [`cancel ${ID} --dry-run`, "--dry-run counts jobs that options select", "millrace job ID"],
  [`remove ${ID} --state failed`, "ids, and options such as --type", "both say which jobs"],
  [`dead drop ${ID} --all`, "ids, and options such as --type", "both say which jobs"],
  ["cancel nope", "argument value 'nope' is invalid for argument 'id'", "Expected a job id"],
  [`remove ${ID} nope`, "argument value 'nope'", "Expected a job id"],
  ["job nope", "argument value 'nope'", "Expected a job id"],
  ["why nope", "argument value 'nope'", "Expected a job id"],
  ["run nope", "argument value 'nope'", "Expected a job id"],
  ["signal nope name", "argument value 'nope'", "Expected a job id"],
  ["jobs --error zz", "option '--error <fingerprint>'", "16 hex digits"],
  ["errors --since x", "option '--since <duration>'", DURATION],
  ["stats --since x", "option '--since <duration>'", DURATION],
  ["limits set q --rate 5", "option '--rate <rate>' argument '5'", '"100/s", "5/m"'],
  ["limits set q --name é --rate 5/s", "option '--name <limit>'", "letters, digits"],
  ["limits set q", "say what to change", "--concurrency, --rate, or both"],
  ["limits set q --concurrency 1.5", '--concurrency is "1.5"', "from 0 to 1000000, or none"],
  ["limits set q --concurrency 9999999", "--concurrency is", "from 0 to 1000000, or none"],
  [`reschedule 2030-99-01 ${ID}`, 'the time is "2030-99-01"', "expected a time (ISO 8601), or a"],
  [`prioritize high ${ID}`, 'the priority is "high"', "expected a number, or a duration"],
  ["schedule put s --type job --every 0", "option '--every <duration>'", DURATION],
  ["schedule put s --type job --every 1h --jitter x", "option '--jitter <duration>'", DURATION],
  ["schedule put s --type job --every 1h --attempts 0", "option '--attempts <number>'", "from 1"],
  ["schedule put s --type job --every 1h --timeout 0ms", "option '--timeout", "at least 1 ms"],
  ["verify --timeout 0s -- true", '--timeout is "0s"', "left out for 10s"],
  ["schedule preview s --count 0", "option '--count <number>'", "a whole number from 1"],
  ["start --port 99999", "option '--port <number>' argument '99999'", "a port from 0 to 65535"],
  ["worker --concurrency 0", "option '--concurrency <number>'", "a whole number from 1"],
  ["rollup --metrics-port ", "option '--metrics-port <port>'", "a port from 0 to 65535"],
  ["rollup --max-pairs 0x10", "option '--max-pairs <number>'", "a whole number from 1"],
  ["schedules --limit x", "option '--limit <number>'", "a whole number from 1"],
];

test.each(WRONG)("millrace %s", async (command, named, expected) => {
  const { code, out, err } = await run([...command.split(" "), "--store", "sqlite:/nowhere/a.db"]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain(named);
  expect(err).toContain(expected);
});

test("a port for metrics that is taken is told with how to choose another", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const { code, err } = await run(["rollup", "--metrics-port", String(port)]);
  taken.close();
  expect(code).toBe(2);
  expect(err).toContain(`can't serve metrics on port ${port}`);
  expect(err).toContain("Choose another by --metrics-port");
});
