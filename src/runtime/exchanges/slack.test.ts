// When jobs under limits may be claimed ahead.
import { expect, test } from "vitest";
import { Slack } from "./slack.ts";

const FULL = { capacity: 50, claimed: 50, limited: 50 };

test("limits leave room once a full claim is mostly of jobs under them", () => {
  const slack = new Slack();
  expect(slack.isThere(0)).toBe(false);
  slack.noteClaim(FULL, 0);
  expect(slack.isThere(0)).toBe(true);
  slack.noteClaim({ ...FULL, limited: 10 }, 1);
  expect(slack.isThere(1)).toBe(false);
});

test("a claim that came short says that a limit may bind, for a second", () => {
  const slack = new Slack();
  slack.noteClaim(FULL, 0);
  slack.noteClaim({ ...FULL, claimed: 49 }, 1);
  slack.noteClaim(FULL, 2);
  expect([slack.isThere(1_000), slack.isThere(1_001)]).toEqual([false, true]);
});

test("a claim for few jobs says nothing", () => {
  const slack = new Slack();
  slack.noteClaim({ capacity: 5, claimed: 5, limited: 5 }, 0);
  expect(slack.isThere(0)).toBe(false);
  slack.noteClaim(FULL, 1);
  slack.noteClaim({ capacity: 5, claimed: 5, limited: 0 }, 2);
  expect(slack.isThere(2)).toBe(true);
});

test("a push-back makes limits tight at once", () => {
  const slack = new Slack();
  slack.noteClaim(FULL, 0);
  slack.tighten(1);
  expect(slack.isThere(1)).toBe(false);
});
