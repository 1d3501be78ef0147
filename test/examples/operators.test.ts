// The sample of operators' tools does what it says.
import { join } from "node:path";
import { expect, test } from "vitest";
import { runOperators } from "../../examples/operators.ts";
import { scratch } from "../cli/command-line.ts";

test("the sample shows placement, priority, dead letters, bulk orders, errors, why, pause and drain", async () => {
  await using directory = await scratch();
  expect(await runOperators(`sqlite:${join(directory.path, "operators.db")}`)).toEqual({
    placed: { why: "no-labels", rendered: "intro.mp4" },
    first: { why: "paused", order: ["urgent@example.com", "usual@example.com"] },
    deadLetters: { replayed: "succeeded", matched: 2, notIndexed: ["input"], changed: 2 },
    changed: { prioritize: 3, reschedule: 3, move: 3, cancel: 3, remove: 3 },
    drained: "refused",
    errors: ["5 x FatalError: no mailbox <value>"],
  });
});
