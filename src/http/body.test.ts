// Bodies are bounded in bytes and depth, must be JSON, and can't reach a prototype.
import { expect, test } from "vitest";
import { parseJson, readJsonBody, readOptionalJsonBody } from "./body.ts";
import { HttpProblem } from "./problem.ts";

const JSON_TYPE = { "content-type": "application/json" };

function post(body: string | ReadableStream, headers: Record<string, string> = JSON_TYPE): Request {
  return new Request("http://localhost/", {
    method: "POST",
    body,
    headers,
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  });
}

async function codeOf(pending: Promise<unknown>): Promise<unknown> {
  try {
    return await pending;
  } catch (thrown) {
    if (thrown instanceof HttpProblem) return thrown.code;
    throw thrown;
  }
}

test("JSON is read, with a charset named or not", async () => {
  expect(await readJsonBody(post('{"a":1}'), 100)).toEqual({ a: 1 });
  const typed = post('{"a":1}', { "content-type": "Application/JSON; charset=utf-8" });
  expect(await readJsonBody(typed, 100)).toEqual({ a: 1 });
});

test.each([["text/plain"], ["application/x-www-form-urlencoded"], ["application/jsonx"]])(
  "a body of type %s is refused, as a form of a web page could send it",
  async (type) => {
    expect(await codeOf(readJsonBody(post("{}", { "content-type": type }), 100))).toBe(
      "UNSUPPORTED_MEDIA_TYPE",
    );
  },
);

test("a compressed body is told apart from one that is not JSON", async () => {
  const packed = { ...JSON_TYPE, "content-encoding": "gzip" };
  await expect(readJsonBody(post("{}", packed), 100)).rejects.toMatchObject({
    code: "UNSUPPORTED_MEDIA_TYPE",
    message: expect.stringContaining("encoding is gzip") as string,
  });
  const plain = { ...JSON_TYPE, "content-encoding": "Identity" };
  expect(await readJsonBody(post("{}", plain), 100)).toEqual({});
});

test("a body over the bound is refused by its header, and without one by its bytes", async () => {
  const big = JSON.stringify("x".repeat(200));
  const declared = post(big, { ...JSON_TYPE, "content-length": String(big.length) });
  expect(await codeOf(readJsonBody(declared, 100))).toBe("TOO_LARGE");
  const streamed = post(new Blob([big]).stream());
  expect(await codeOf(readJsonBody(streamed, 100))).toBe("TOO_LARGE");
  expect(await readJsonBody(post(new Blob(['{"a":1}']).stream()), 100)).toEqual({ a: 1 });
});

test.each([
  ["a byte that no character has", [0xff]],
  // Three bytes, as long as the replacement character that would stand for them.
  ["a character that ends early", [0xf0, 0x9f, 0x98]],
])("what is not UTF-8 is refused rather than kept as something else: %s", async (_, bytes) => {
  const broken = Buffer.from([0x22, 0x61, ...bytes, 0x22]);
  const declared = (body: Uint8Array): Request =>
    post(new Blob([new Uint8Array(body)]).stream(), {
      ...JSON_TYPE,
      "content-length": String(body.byteLength),
    });
  expect(await codeOf(readJsonBody(declared(broken), 100))).toBe("MALFORMED_REQUEST");
  expect(await codeOf(readJsonBody(post(new Blob([broken]).stream()), 100))).toBe(
    "MALFORMED_REQUEST",
  );
  // The replacement character itself is a character like any other.
  const replacement = "a\u{FFFD}b";
  const text = Buffer.from(JSON.stringify(replacement));
  expect(await readJsonBody(declared(text), 100)).toBe(replacement);
  expect(await readJsonBody(post(new Blob([text]).stream()), 100)).toBe(replacement);
});

test("an absent body counts as an empty object only where it is optional", async () => {
  const absent = new Request("http://localhost/", { method: "POST" });
  expect(await readOptionalJsonBody(absent, 100)).toEqual({});
  expect(await codeOf(readJsonBody(absent.clone(), 100))).toBe("UNSUPPORTED_MEDIA_TYPE");
});

test("malformed text is refused without being repeated", () => {
  const secret = '{"card": "4111111111111111", oops';
  expect(() => parseJson(secret, "the body")).toThrow("is not JSON");
  expect(() => parseJson(secret, "the body")).not.toThrow("4111");
});

test("nesting is bounded, however the levels are made", () => {
  expect(() => parseJson("[".repeat(60) + "]".repeat(60), "x")).not.toThrow();
  expect(() => parseJson("[".repeat(100_000) + "]".repeat(100_000), "x")).toThrow("nested deeper");
  expect(() => parseJson('{"a":'.repeat(500) + "1" + "}".repeat(500), "x")).toThrow(
    "nested deeper",
  );
});

test("__proto__ is refused at any depth and in any spelling", () => {
  expect(() => parseJson('{"__proto__": {"a": 1}}', "x")).toThrow("__proto__");
  expect(() => parseJson(String.raw`[{"b": {"\u005f_proto__": 1}}]`, "x")).toThrow("__proto__");
  expect(({} as { a?: unknown }).a).toBeUndefined();
});
