// Fault row S3 in its short form, with croner as the oracle of what is possible and of what comes next.
import { Cron } from "croner";
import { expect, test } from "vitest";
import { MAX_SEARCH_STEPS } from "../../src/schedule/index.ts";
import { ZONES } from "./daylight-saving.ts";
import { answerCron, createRandom, randomCron } from "./random-cron.ts";

const AFTER_MS = Date.UTC(2026, 4, 17, 11, 29, 31);

test("3,000 random expressions are each answered or refused within the stated steps", () => {
  const random = createRandom(20_260_517);
  const answers = Array.from({ length: 3_000 }, (_, index) =>
    answerCron(randomCron(random), ZONES[index % ZONES.length] ?? "UTC", AFTER_MS),
  );
  expect(Math.max(...answers.map((answer) => answer.steps))).toBeLessThanOrEqual(MAX_SEARCH_STEPS);
  expect(answers.filter((answer) => answer.isRefused).length).toBeGreaterThan(100);
  expect(answers.filter((answer) => answer.nextMs !== null).length).toBeGreaterThan(2_000);
});

test("600 random expressions are refused where croner finds nothing, and else have the same next tick", () => {
  const random = createRandom(31_042_026);
  for (let count = 0; count < 600; count += 1) {
    const expression = randomCron(random);
    const oracle = new Cron(expression, { timezone: "UTC", paused: true, mode: "5-or-6-parts" });
    const expected = oracle.nextRun(new Date(AFTER_MS))?.getTime() ?? null;
    const { nextMs, isRefused } = answerCron(expression, "UTC", AFTER_MS);
    expect({ expression, nextMs }).toEqual({ expression, nextMs: expected });
    expect({ expression, isRefused }).toEqual({ expression, isRefused: expected === null });
  }
});
