// Server-sent events are parsed however their bytes are cut.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createEventParser } from "./event-reader.ts";

const STREAM =
  'retry: 1000\n\n: heartbeat\n\nid: a-1\nevent: started\ndata: {"id":"1"}\n\nid: a-2\nevent: log\ndata: one\ndata: two\n\n';
const EVENTS = [
  { kind: "started", data: '{"id":"1"}', id: "a-1" },
  { kind: "log", data: "one\ntwo", id: "a-2" },
];

test("events are found, comments and reconnect times are not events", () => {
  expect(createEventParser()(STREAM)).toEqual(EVENTS);
});

test("the same events come out wherever the stream is cut, with either line ending", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 10 }), fc.boolean(), (cuts, crlf) => {
      const text = crlf ? STREAM.replaceAll("\n", "\r\n") : STREAM;
      const parse = createEventParser();
      const at = [0, ...cuts.sort((left, right) => left - right), text.length];
      const events = at.slice(1).flatMap((end, index) => parse(text.slice(at[index], end)));
      expect(events).toEqual(EVENTS);
    }),
  );
});

test("an event without end is refused rather than kept", () => {
  const parse = createEventParser();
  expect(() => parse(`data: ${"x".repeat(5_000_000)}`)).toThrow("longer");
});
