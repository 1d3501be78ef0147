// Errors: coded, and plain bounded data of whatever was thrown.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ERROR_CODES,
  MAX_CAUSE_STACK_LENGTH,
  MAX_ERROR_CAUSES,
  MAX_ERROR_MESSAGE_LENGTH,
  MAX_ERROR_STACK_LENGTH,
  MillraceError,
  isMillraceError,
  messageWithCauses,
  toErrorRecord,
} from "./errors.ts";

describe("MillraceError", () => {
  test("has its code, the code's meaning and its cause", () => {
    const cause = new Error("disk");
    const error = new MillraceError("STORE_FAILED", { cause });
    expect(error).toMatchObject({
      name: "MillraceError",
      code: "STORE_FAILED",
      message: ERROR_CODES.STORE_FAILED,
      cause,
      details: {},
    });
    expect(error).toBeInstanceOf(Error);
  });

  test("has no cause where none was given", () => {
    expect(Object.hasOwn(new MillraceError("STOPPED"), "cause")).toBe(false);
  });

  test("is told from other errors, and by code", () => {
    const error = new MillraceError("TOO_LARGE", { message: "7 bytes" });
    expect(isMillraceError(error)).toBe(true);
    expect(isMillraceError(error, "TOO_LARGE")).toBe(true);
    expect(isMillraceError(error, "TOO_MANY")).toBe(false);
    expect(isMillraceError(new Error("TOO_LARGE"))).toBe(false);
    expect(isMillraceError(null)).toBe(false);
  });
});

test("an error is told in a line with what led to it, each once", () => {
  const refused = new Error("connect ECONNREFUSED 127.0.0.1:9");
  const failed = new TypeError("fetch failed", { cause: refused });
  const thrown = new Error("no page: fetch failed", { cause: failed });
  expect(messageWithCauses(toErrorRecord(thrown))).toBe(
    "no page: fetch failed: connect ECONNREFUSED 127.0.0.1:9",
  );
});

test("an error without a message is told by its name, and so is what led to it", () => {
  const abort = new RangeError("");
  expect(messageWithCauses(toErrorRecord(abort))).toBe("RangeError");
  const failed = new Error("no page", { cause: new TypeError(" ") });
  expect(messageWithCauses(toErrorRecord(failed))).toBe("no page: TypeError");
});

describe("toErrorRecord", () => {
  test("keeps name, message, code and stack", () => {
    const error = Object.assign(new TypeError("no host"), { code: "ENOTFOUND" });
    expect(toErrorRecord(error)).toEqual({
      name: "TypeError",
      message: "no host",
      code: "ENOTFOUND",
      stack: error.stack,
    });
  });

  test.each([
    ["a text", "a text"],
    [42, "42"],
    [undefined, "undefined"],
    [null, "null"],
    [10n, "10"],
    [Symbol("why"), "Symbol(why)"],
    [{ status: 503 }, '{"status":503}'],
    [{ toJSON: () => undefined }, "[object Object]"],
  ])("describes a thrown %o", (thrown, message) => {
    expect(toErrorRecord(thrown)).toEqual({ name: "Error", message });
  });

  test("keeps what led to it, cause by cause", () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const error = new Error("no quote", {
      cause: new TypeError("fetch failed", { cause: refused }),
    });
    expect(toErrorRecord(error)).toMatchObject({
      message: "no quote",
      cause: {
        name: "TypeError",
        message: "fetch failed",
        cause: { message: "connect ECONNREFUSED", code: "ECONNREFUSED", stack: refused.stack },
      },
    });
    expect(toErrorRecord(new Error("late", { cause: "the bus" })).cause?.message).toBe("the bus");
    expect(toErrorRecord(new Error("alone", { cause: undefined }))).not.toHaveProperty("cause");
  });

  test("ends a chain of causes, and a circle of them, at a bound", () => {
    const circle = new Error("round");
    circle.cause = circle;
    circle.stack = "s".repeat(MAX_ERROR_STACK_LENGTH);
    let depth = 0;
    let stackLength = 0;
    for (let record = toErrorRecord(circle).cause; record !== undefined; record = record.cause) {
      depth += 1;
      stackLength += record.stack?.length ?? 0;
    }
    expect(depth).toBe(MAX_ERROR_CAUSES);
    expect(stackLength).toBeLessThan(MAX_ERROR_CAUSES * (MAX_CAUSE_STACK_LENGTH + 50));
  });

  test("leaves out a code that is no text", () => {
    expect(toErrorRecord(Object.assign(new Error("x"), { code: 7 }))).not.toHaveProperty("code");
  });

  test("survives getters, proxies and circles", () => {
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    const hostile = [
      Object.defineProperty(new Error("x"), "message", {
        get: () => {
          throw new Error("no");
        },
      }),
      Object.defineProperty(new Error("x"), "code", {
        get: () => {
          throw new Error("no");
        },
      }),
      new Proxy(
        {},
        {
          getPrototypeOf: () => {
            throw new Error("no");
          },
        },
      ),
      circle,
    ];
    for (const thrown of hostile) {
      expect(toErrorRecord(thrown)).toEqual({
        name: "Error",
        message: "a value was thrown that can't be read",
      });
    }
  });

  test("cuts long texts, never through a character, and says so", () => {
    const error = new Error("😀".repeat(MAX_ERROR_MESSAGE_LENGTH));
    error.stack = "s".repeat(MAX_ERROR_STACK_LENGTH + 1);
    error.name = `x${"😀".repeat(500)}`;
    const record = toErrorRecord(error);
    expect(record.message).toMatch(/… \(cut, 8192 in all\)$/);
    expect(record.message.length).toBeLessThan(MAX_ERROR_MESSAGE_LENGTH + 50);
    expect(record.stack?.length).toBeLessThan(MAX_ERROR_STACK_LENGTH + 50);
    expect(record.name.isWellFormed()).toBe(true);
  });

  test("gives plain, bounded JSON that comes back as it was, whatever is thrown", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (thrown) => {
        const record = toErrorRecord(thrown);
        expect(JSON.parse(JSON.stringify(record))).toEqual(record);
        expect(record.message.length).toBeLessThan(MAX_ERROR_MESSAGE_LENGTH + 50);
      }),
    );
  });
});
