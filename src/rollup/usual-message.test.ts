import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseFullMessage } from "./full-message.ts";
import { UsualMessage } from "./usual-message.ts";
import { UuidTable } from "./uuid-table.ts";

const KNOWN = [
  "e7924178-0132-4730-9c79-89fed571567f",
  "f3f83156-2ad0-45fa-938f-591e477a1743",
  "36de4bf4-0293-4567-b009-75c4bc66a64d",
];

function tableOfKnown(): UuidTable {
  const table = new UuidTable({ maxIds: 100 });
  for (const uuid of KNOWN) table.intern(uuid);
  return table;
}

function usualText(fields: Partial<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    source: KNOWN[0],
    destination: KNOWN[1],
    method: "GET",
    path: "/list",
    httpStatus: 400,
    ...fields,
  });
}

/** What both readers say of the bytes; they must agree wherever the fast one claims to know. */
function readBoth(bytes: Buffer): { readonly fast: boolean; readonly agree: boolean } {
  const table = tableOfKnown();
  const usual = new UsualMessage();
  if (!usual.read(bytes, table)) return { fast: false, agree: true };
  const full = parseFullMessage(bytes);
  const agree =
    full.kind === "message" &&
    table.findText(full.source) === usual.source &&
    table.findText(full.destination) === usual.destination;
  return { fast: true, agree };
}

/** Whether a field's text stands in JSON as it is. */
function plain(value: unknown): boolean {
  return /^[ !#-[\]-\u007f]*$/.test(value as string);
}

const known = fc.constantFrom(...KNOWN);
const text = fc.oneof(
  fc.constantFrom("GET", "POST", "/list", "/items/42?q=1", ""),
  fc.string({ unit: "grapheme-ascii" }),
  fc.string({ unit: "binary" }),
);
const usualMessage = fc
  .record({
    source: known,
    destination: known,
    method: text,
    path: text,
    httpStatus: fc.nat(1_200),
  })
  .map((fields) => JSON.stringify(fields));
const anyMessage = fc.oneof(
  usualMessage,
  fc
    .record(
      {
        destination: fc.oneof(known, fc.uuid(), fc.string()),
        source: fc.oneof(
          known,
          fc.uuid(),
          known.map((uuid) => uuid.toUpperCase()),
          fc.integer(),
        ),
        httpStatus: fc.oneof(fc.integer(), fc.double(), fc.constant(null)),
        method: text,
        path: text,
      },
      { requiredKeys: [] },
    )
    .map((fields) => JSON.stringify(fields)),
  fc.json(),
);

/** Pieces that turn one JSON text into another one, or into none. */
const splinter = fc.oneof(
  fc.constantFrom('"', "\\", "{", "}", "[", "]", ",", ":", " ", "\n", "\u0000", "\\u0022", "\\/"),
  fc.constantFrom(
    '"source":"',
    '","source":"',
    '","destination":"',
    '","path":"',
    "\u00e9",
    "-",
    "0",
    "\ud800",
  ),
  known.map((uuid) => `"source":"${uuid}",`),
);
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat(3),
  insert: fc.oneof(
    splinter.map((piece) => Buffer.from(piece)),
    fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  ),
});

function mutate(
  message: string,
  mutations: readonly { at: number; cut: number; insert: Buffer }[],
): Buffer {
  let bytes = Buffer.from(message);
  for (const { at, cut, insert } of mutations) {
    const from = Math.floor(at * bytes.length);
    bytes = Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + cut)]);
  }
  return bytes;
}

describe("reading the two ids from the bytes", () => {
  it("takes the usual form", () => {
    expect(readBoth(Buffer.from(usualText()))).toEqual({ fast: true, agree: true });
    expect(readBoth(Buffer.from(usualText({ method: "", path: "" }))).fast).toBe(true);
    const table = tableOfKnown();
    const usual = new UsualMessage();
    usual.read(Buffer.from(`...${usualText()}`).subarray(3), table);
    expect([usual.source, usual.destination]).toEqual([0, 1]);
  });

  it.each([
    ["white space", usualText().replace(",", ", ")],
    ["another order", usualText({ source: undefined, httpStatus: 200 })],
    ["an extra field", usualText({ more: 1 })],
    ["a field that stands twice", usualText().replace("}", `,"source":"${KNOWN[2]}"}`)],
    ["a second source inside the method", usualText().replace("GET", `","source":"${KNOWN[2]}`)],
    ["an escape", usualText({ path: 'a"b' })],
    ["text beyond ASCII", usualText({ path: "/é" })],
    ["a control character", usualText().replace("GET", "G\u0001T")],
    ["a number with a leading zero", usualText().replace("400", "099")],
    ["an upper-case id", usualText({ source: KNOWN[0]!.toUpperCase() })],
    ["an id that is not known", usualText({ source: "00000000-0000-4000-8000-000000000000" })],
    ["a cut message", usualText().slice(0, -1)],
    ["bytes after the end", `${usualText()} `],
  ])("leaves %s to the full parse", (_, message) => {
    expect(readBoth(Buffer.from(message)).fast).toBe(false);
  });

  it("agrees with the full parse on every message it takes, and takes all plain ones", () => {
    fc.assert(
      fc.property(usualMessage, (message) => {
        const { fast, agree } = readBoth(Buffer.from(message));
        const { method, path, httpStatus } = JSON.parse(message) as Record<string, unknown>;
        const isPlain = plain(method) && plain(path) && /^[1-9]\d\d$/.test(String(httpStatus));
        expect([fast, agree]).toEqual([isPlain, true]);
      }),
      { numRuns: 500 },
    );
  });

  it("agrees with the full parse on any message, however it was mutilated", () => {
    fc.assert(
      fc.property(anyMessage, fc.array(mutation, { maxLength: 3 }), (message, mutations) => {
        expect(readBoth(mutate(message, mutations)).agree).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it("agrees with the full parse whatever byte of a usual message is changed, dropped or doubled", () => {
    const bytes = Buffer.from(usualText());
    const replacements = Buffer.from('"\\{}[],: a0Z-\u0000\u0080\u00ff', "latin1");
    for (let at = 0; at < bytes.length; at += 1) {
      const before = bytes.subarray(0, at);
      const after = bytes.subarray(at + 1);
      const changed = [...replacements].map((byte) =>
        Buffer.concat([before, Buffer.of(byte), after]),
      );
      const doubled = Buffer.concat([before, bytes.subarray(at, at + 1), bytes.subarray(at)]);
      for (const variant of [...changed, doubled, Buffer.concat([before, after])]) {
        expect(readBoth(variant).agree).toBe(true);
      }
    }
  });
});
