// How wrong values are told, and names that options do not have.
import { describe, expect, test } from "vitest";
import { type OptionNames, checkOptions, tellValue, withoutCredentials } from "./arguments.ts";

test.each([
  ["redis://ann:secret@host:1/0", '"redis://***@host:1/0"'],
  [["redis://:secret@host"], '["redis://***@host"]'],
  [{ url: "rediss://ann:se@cret@host", other: "a@b" }, '{"url":"rediss://***@host","other":"a@b"}'],
  ["ann@example.org", '"ann@example.org"'],
  [{ at: "http://host/a@b" }, '{"at":"http://host/a@b"}'],
])("%o is told without the credentials of URLs in it", (value, told) => {
  expect(tellValue(value)).toBe(told);
});

test("a long value is cut, after its credentials were", () => {
  const told = tellValue(`redis://ann:${"secret".repeat(100)}@host/${"x".repeat(200)}`);
  expect(told).not.toContain("secret");
  expect(told).toMatch(/^"redis:\/\/\*\*\*@host\/x+"… \(217 characters\)$/);
});

test("a text is shown without user and password of a URL, and without more", () => {
  expect(withoutCredentials("redis://:pass@word@host:6379/1")).toBe("redis://***@host:6379/1");
  expect(withoutCredentials("bullmq+redis://ann:secret@host")).toBe("bullmq+redis://***@host");
  expect(withoutCredentials("sqlite:/a@b/c.db")).toBe("sqlite:/a@b/c.db");
});

describe("names that options do not have", () => {
  interface Options {
    readonly attempts?: number;
    readonly form?: string | { readonly kind: string; readonly wide?: number };
    readonly parts?: readonly { readonly width?: number }[];
  }
  const names: OptionNames<Options> = {
    attempts: true,
    form: ({ kind }) => (kind === "wide" ? { kind: true, wide: true } : true),
    parts: { width: true },
  };
  const refused = (options: object) => () => checkOptions(options, "options", names);

  test.each([
    [{ attemps: 1 }, 'options has the unknown name "attemps"; did you mean attempts?'],
    [{ colour: 1 }, 'options has the unknown name "colour"; expected attempts, form, parts'],
    [{ width: 1 }, 'options has the unknown name "width"; did you mean parts: { width }?'],
    [{ parts: [{}, { widht: 1 }] }, '"widht" in parts[1]; did you mean width?'],
    [{ form: { kind: "wide", wdie: 1 } }, '"wdie" in form; did you mean wide?'],
    [{ toString: 1 }, '"toString"'],
    [{ constructor: {} }, '"constructor"'],
    [JSON.parse('{"__proto__":{}}') as object, '"__proto__"'],
    [{ ["x".repeat(500)]: 1 }, "… (500 characters); expected"],
  ])("are refused, with the one that was meant: %o", (options, told) => {
    expect(refused(options)).toThrow(told);
  });

  test.each([
    {},
    { attempts: undefined, colour: undefined },
    { form: "wide", parts: [] },
    { form: { kind: "other", any: 1 } },
    { attempts: { any: 1 }, form: null, parts: [null, 7] },
    Object.create(null) as object,
  ])(
    "are not looked for in what may have any, says nothing or is of another kind: %o",
    (options) => {
      expect(refused(options)).not.toThrow();
    },
  );
});
