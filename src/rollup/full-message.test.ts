import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseFullMessage } from "./full-message.ts";

const A = "e7924178-0132-4730-9c79-89fed571567f";
const B = "f3f83156-2ad0-45fa-938f-591e477a1743";

function parse(value: unknown): unknown {
  return parseFullMessage(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));
}

describe("parseFullMessage", () => {
  it("reads a message in any order of fields, ids in lower case, the last of a doubled field", () => {
    const message = { kind: "message", source: A, destination: B };
    expect(parse({ httpStatus: 1, destination: B, more: {}, source: A.toUpperCase() })).toEqual(
      message,
    );
    expect(parse(`{"source":"x", "destination":"${B}", "source":"${A}"}`)).toEqual(message);
  });

  it("reads associations and counts the entries it skips", () => {
    const entries = [{ parent: A, child: B }, { parent: A }, { parent: A, child: "b" }, 3, null];
    expect(parse(entries)).toEqual({
      kind: "associations",
      associations: [{ parent: A, child: B }],
      skipped: { shape: 3, id: 1 },
    });
    expect(parse([])).toMatchObject({ kind: "associations", associations: [] });
  });

  it.each([
    ["json", "{"],
    ["json", ""],
    ["json", `\ufeff{"source":"${A}","destination":"${B}"}`],
    ["shape", "null"],
    ["shape", "3"],
    ["shape", { source: A }],
    ["shape", { source: A, destination: 3 }],
    ["shape", `{"__proto__":{"source":"${A}","destination":"${B}"}}`],
    ["id", { source: A, destination: `${B}0` }],
    ["id", { source: A, destination: "" }],
  ])("says %s of %j", (reason, value) => {
    expect(parse(value)).toEqual({ kind: "malformed", reason });
  });

  it("says utf8 of bytes that are no text, even inside a string", () => {
    const bytes = Buffer.from(`{"source":"${A}","destination":"${B}","path":"\u00e9"}`, "latin1");
    expect(parseFullMessage(bytes)).toEqual({ kind: "malformed", reason: "utf8" });
  });

  it("never throws", () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(bytes, (content) => {
        expect(parseFullMessage(Buffer.from(content)).kind).toMatch(
          /message|associations|malformed/,
        );
      }),
    );
  });
});
