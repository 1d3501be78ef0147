// Errors counted by fingerprint: told apart up to a bound, and put together over windows.
import { expect, test } from "vitest";
import { MAX_ERRORS_A_WINDOW, errorCountName, groupErrors } from "./error-groups.ts";
import { type Figures, MAX_ERRORS_KEPT, OTHER_ERRORS, addCounts } from "./figures.ts";
import { fingerprintOf } from "./fingerprint.ts";

const error = { name: "Error", message: "no order 17" };
const name = errorCountName(error, new Set());

function window(startMs: number, counts: Figures["counts"], type = "a"): Figures {
  return { resolution: "minute", startMs, type, counts };
}

test("errors are counted by type, with when they were seen first and last, the most frequent first", () => {
  const other = errorCountName({ name: "TypeError", message: "x" }, new Set());
  const groups = groupErrors(
    [
      window(60_000, { [name]: 2, succeeded: 9, "run:3": 1 }),
      window(180_000, { [name]: 1, [other]: 7 }),
      window(120_000, { [name]: 5 }, "b"),
    ],
    "minute",
  );
  expect(groups.map(({ type, title, count }) => [type, title, count])).toEqual([
    ["a", "TypeError: x", 7],
    ["b", "Error: no order <n>", 5],
    ["a", "Error: no order <n>", 3],
  ]);
  expect(groups[2]).toMatchObject({
    fingerprint: fingerprintOf(error),
    firstSeenMs: 60_000,
    lastSeenMs: 180_000,
  });
});

test("minutes beside hours say when an error was seen last, and are not counted twice", () => {
  const hour: Figures = { ...window(0, { [name]: 3 }), resolution: "hour" };
  const [group] = groupErrors([hour, window(1_740_000, { [name]: 1 })], "hour");
  expect(group).toMatchObject({ count: 3, firstSeenMs: 0, lastSeenMs: 1_740_000 });
});

test("errors beyond the bound of a window are counted as others", () => {
  const known = new Set<string>();
  for (let index = 0; index < 10 * MAX_ERRORS_A_WINDOW; index += 1) {
    known.add(
      errorCountName({ name: `E${String.fromCodePoint(0x4e00 + index)}`, message: "" }, known),
    );
  }
  expect(known.size).toBe(MAX_ERRORS_A_WINDOW + 1);
  expect(known).toContain(OTHER_ERRORS);
  const [others] = groupErrors([window(0, { [OTHER_ERRORS]: 4 })], "minute");
  expect(others).toMatchObject({ fingerprint: "others", count: 4 });
});

test("windows that grow together keep to a bound too, and count every error", () => {
  let sum: Record<string, number> = { succeeded: 1 };
  for (let index = 0; index < 2 * MAX_ERRORS_KEPT; index += 1) {
    sum = addCounts(sum, { [`error:${index} x`]: 1, succeeded: 1 });
  }
  const errors = Object.entries(sum).filter(([each]) => each.startsWith("error:"));
  expect(errors.length).toBe(MAX_ERRORS_KEPT + 1);
  expect(errors.reduce((total, [, count]) => total + count, 0)).toBe(2 * MAX_ERRORS_KEPT);
});
