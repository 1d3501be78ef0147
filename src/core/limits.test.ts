// The bounds: names, tags, bytes and JSON.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  MAX_NAME_LENGTH,
  MAX_TAGS,
  MAX_TAG_LENGTH,
  MAX_VALUE_BYTES,
  checkBytes,
  checkName,
  checkTags,
  toJson,
  utf8Bytes,
} from "./limits.ts";

const refusal = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe("names", () => {
  test.each(["a", "send-receipt", "Billing.v2:eu/west_1", "9lives", "x".repeat(MAX_NAME_LENGTH)])(
    "%s is one",
    (name) => {
      expect(checkName(name, "queue")).toBe(name);
    },
  );

  test.each([
    [""],
    ["-a"],
    ["_a"],
    ["a b"],
    ["a\n"],
    ["ä"],
    ["a{b}"],
    ["a*"],
    ["__proto__"],
    ["x".repeat(MAX_NAME_LENGTH + 1)],
    [undefined],
    [null],
    [7],
    [7n],
    [["a"]],
    [{ toString: () => "a" }],
  ])("%o is none", (name) => {
    expect(() => checkName(name, "queue")).toThrow(refusal("INVALID_ARGUMENT", /^queue is /));
  });

  test("a refusal does not repeat a value without end", () => {
    expect(() => checkName("é".repeat(1_000_000), "queue")).toThrow(/^.{0,500}$/);
  });
});

describe("tags", () => {
  test("come back sorted and once each", () => {
    expect(checkTags(["b", "a", "b", "ä", "Z"], "tags")).toEqual(["Z", "a", "b", "ä"]);
    expect(checkTags([], "tags")).toEqual([]);
    expect(checkTags(undefined, "tags")).toEqual([]);
  });

  test("leave the list given as it was", () => {
    const given = Object.freeze(["b", "a"]);
    expect(checkTags(given, "tags")).toEqual(["a", "b"]);
  });

  test("may be any text up to the bound", () => {
    for (const tag of ["region=eu", "a b", "💾", "{x}", "x".repeat(MAX_TAG_LENGTH)]) {
      expect(checkTags([tag], "tags")).toEqual([tag]);
    }
  });

  test.each([
    [""],
    ["a\u0000b"],
    ["a\nb"],
    ["\ud800"],
    ["x".repeat(MAX_TAG_LENGTH + 1)],
    [7],
    [null],
  ])("%j is none", (tag) => {
    expect(() => checkTags([tag as never], "labels")).toThrow(
      refusal("INVALID_ARGUMENT", /^labels has /),
    );
  });

  test("are a list: one text is not cut into letters", () => {
    expect(() => checkTags("gpu" as never, "labels")).toThrow(
      refusal("INVALID_ARGUMENT", /labels is "gpu"; expected a list/),
    );
  });

  test("are bounded in number", () => {
    const tags = Array.from({ length: MAX_TAGS + 1 }, (_, index) => `tag-${index}`);
    expect(() => checkTags(tags, "tags")).toThrow(refusal("TOO_MANY", /21 entries; at most 20/));
  });
});

describe("bytes", () => {
  test("are those that UTF-8 needs, half a surrogate pair included", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
        }),
        (text) => {
          expect(utf8Bytes(text)).toBe(new TextEncoder().encode(text).length);
        },
      ),
    );
    expect(utf8Bytes("😀")).toBe(4);
    expect(utf8Bytes("\ud83d")).toBe(3);
    expect(utf8Bytes("\ud83d\ud83d\ude00")).toBe(7);
  });

  test("over the bound are refused with both figures", () => {
    expect(() => {
      checkBytes("éé", "input", 3);
    }).toThrow(expect.objectContaining({ code: "TOO_LARGE", details: { bytes: 4, maxBytes: 3 } }));
    expect(checkBytes("éé", "input", 4)).toBeUndefined();
  });
});

describe("toJson", () => {
  test.each([
    [{ a: [1, "x", null] }, '{"a":[1,"x",null]}'],
    [undefined, "null"],
    [null, "null"],
    [0, "0"],
    ["", '""'],
    ["\ud800", '"\\ud800"'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ])("writes %j", (value, text) => {
    expect(toJson(value, "result")).toBe(text);
  });

  test("refuses what is not JSON, in one line", () => {
    const circle: Record<string, unknown> = {};
    circle["self"] = { circle };
    for (const value of [
      circle,
      10n,
      { n: 10n },
      () => 1,
      Symbol("s"),
      { toJSON: () => undefined },
    ]) {
      expect(() => toJson(value, "result")).toThrow(refusal("INVALID_OUTPUT", /^result [^\n]+$/));
    }
    const throwing = {
      toJSON: () => {
        // oxlint-disable-next-line no-throw-literal -- what a handler's value may do
        throw "text";
      },
    };
    expect(() => toJson(throwing, "result")).toThrow(refusal("INVALID_OUTPUT", /unknown reason/));
  });

  test("holds the bound to the byte", () => {
    const ascii = "x".repeat(MAX_VALUE_BYTES - 2);
    expect(toJson(ascii, "input")).toHaveLength(MAX_VALUE_BYTES);
    expect(() => toJson(`${ascii}x`, "input")).toThrow(refusal("TOO_LARGE", /262145 bytes/));
    const wide = "€".repeat(Math.floor((MAX_VALUE_BYTES - 2) / 3));
    expect(utf8Bytes(toJson(wide, "input"))).toBeLessThanOrEqual(MAX_VALUE_BYTES);
    expect(() => toJson(`${wide}€`, "input")).toThrow(refusal("TOO_LARGE", /at most 262144/));
  });

  test("refuses exactly what is over the bound, whatever the value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 60 }), (value, maxBytes) => {
        const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
        expect(isAccepted(value, maxBytes)).toBe(bytes <= maxBytes);
      }),
    );
  });
});

function isAccepted(value: unknown, maxBytes: number): boolean {
  try {
    return toJson(value, "input", maxBytes) === JSON.stringify(value);
  } catch {
    return false;
  }
}
