// Statements about how a try ends: results, failures of every kind, bounds.
import assert from "node:assert/strict";
import { MAX_VALUE_BYTES } from "../../core/limits.ts";
import type { LauncherCase } from "./bench.ts";

/** Jobs at once: more than most launchers have threads, processes or connections. */
const MANY = 12;

export const outcomeCases: readonly LauncherCase[] = [
  {
    name: "gives the handler's output as it is",
    run: async ({ run }) => {
      for (const value of [null, 0, "", "grün ✓ \n\"'", [1, [2]], { a: { b: [true, null] } }]) {
        const { state, result, error } = await run("echo", value);
        assert.deepEqual(
          { state, result, error },
          { state: "succeeded", result: value, error: null },
        );
      }
    },
  },
  {
    name: "keeps many jobs at once apart",
    run: async ({ run }) => {
      const numbers = Array.from({ length: MANY }, (_, index) => index);
      const jobs = await Promise.all(numbers.map((value) => run("echo", value)));
      assert.deepEqual(
        jobs.map(({ result }) => result),
        numbers,
      );
    },
  },
  {
    name: "tells the handler its job: id, attempt and token",
    run: async ({ run }) => {
      const { id, result } = await run("job");
      const { token, ...rest } = result as { readonly token: unknown };
      assert.deepEqual(rest, { id, attempt: 1 });
      assert.ok(typeof token === "string" && token.length > 0, `the token is ${String(token)}`);
    },
  },
  {
    name: "fails with what the handler said, after as many tries as the policy allows",
    type: { retry: { attempts: 3, backoff: [0] } },
    run: async ({ run }) => {
      const { state, error, attempts } = await run("fail");
      assert.equal(state, "failed");
      assert.match(error?.message ?? "", /as asked/);
      assert.equal(attempts.length, 3);
    },
  },
  {
    name: "succeeds when a later try does",
    type: { retry: { attempts: 2, backoff: [0] } },
    run: async ({ run }) => {
      const { state, result, attempt } = await run("second-try", "at last");
      assert.deepEqual(
        { state, result, attempt },
        { state: "succeeded", result: "at last", attempt: 2 },
      );
    },
  },
  {
    name: "does not try again what can't succeed",
    type: { retry: { attempts: 3, backoff: [0] } },
    run: async ({ run }) => {
      const { state, error, attempts } = await run("fatal");
      assert.equal(state, "failed");
      assert.match(error?.message ?? "", /as asked/);
      assert.equal(attempts.length, 1);
    },
  },
  {
    name: "tries again when the handler says so",
    type: { retry: { attempts: 2, backoff: [0] } },
    run: async ({ run }) => {
      const { state, attempt, dueAt } = await run("later");
      assert.deepEqual({ state, attempt }, { state: "scheduled", attempt: 2 });
      assertInAnHour(dueAt);
    },
  },
  {
    name: "puts a job off without counting the try",
    run: async ({ run }) => {
      const { state, attempt, dueAt, error } = await run("snooze");
      assert.deepEqual({ state, attempt, error }, { state: "scheduled", attempt: 1, error: null });
      assertInAnHour(dueAt);
    },
  },
  {
    name: "refuses an output that is too large, and goes on",
    type: { retry: { attempts: 2, backoff: [0] } },
    run: async ({ run }) => {
      // Just over the bound, where it is a value; and far over it, where it may not even be read to its end.
      const { state, error, attempts } = await run("large", MAX_VALUE_BYTES + 1);
      assert.deepEqual([state, error?.code, attempts.length], ["failed", "TOO_LARGE", 1]);
      const far = await run("large", MAX_VALUE_BYTES * 5);
      assert.deepEqual([far.state, far.attempts.length], ["failed", 1]);
      assert.equal((await run("echo", "next")).result, "next");
    },
  },
];

function assertInAnHour(dueAt: string): void {
  const inMinutes = (Date.parse(dueAt) - Date.now()) / 60_000;
  assert.ok(inMinutes > 55 && inMinutes <= 60, `it is due in ${inMinutes} minutes`);
}
