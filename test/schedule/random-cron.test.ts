// Random cron expressions, with croner as the oracle of what is possible and of what comes next.
import { Cron } from "croner";
import { expect, test } from "vitest";
import { createRandom } from "../chaos/harness/random.ts";
import { answerCron, randomCron } from "./random-cron.ts";

const AFTER_MS = Date.UTC(2026, 4, 17, 11, 29, 31);

test("600 random expressions are refused where croner finds nothing, and else have the same next tick", () => {
  const random = createRandom(31_042_026);
  for (let count = 0; count < 600; count += 1) {
    const expression = randomCron(() => random.next());
    const oracle = new Cron(expression, { timezone: "UTC", paused: true, mode: "5-or-6-parts" });
    const expected = oracle.nextRun(new Date(AFTER_MS))?.getTime() ?? null;
    const { nextMs, isRefused } = answerCron(expression, "UTC", AFTER_MS);
    expect({ expression, nextMs }).toEqual({ expression, nextMs: expected });
    expect({ expression, isRefused }).toEqual({ expression, isRefused: expected === null });
  }
});
