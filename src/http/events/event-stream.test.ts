// A stream holds a bounded amount for a slow reader, and tells what it let go.
import { expect, test } from "vitest";
import { EventStream, HEARTBEAT_MS } from "./event-stream.ts";

const RESULT = JSON.stringify("x".repeat(200_000));

/** Everything that a client reads that comes only now. */
async function readAll(send: (stream: EventStream) => void): Promise<string> {
  const stream = new EventStream(HEARTBEAT_MS, () => {});
  send(stream);
  stream.begin({ kind: "job", json: "{}" });
  const text = stream.response.text();
  // What waits goes out as it is read, and only then the end.
  await new Promise(setImmediate);
  stream.end();
  return text;
}

test("events that few bytes make wait by the hundred", async () => {
  const text = await readAll((stream) => {
    for (let id = 1; id <= 500; id += 1) stream.send("progress", "1", String(id));
  });
  expect(text.match(/^event: progress$/gm)).toHaveLength(500);
  expect(text).not.toContain("event: gap");
});

test("large events are dropped by their size, with a gap in their place", async () => {
  const text = await readAll((stream) => {
    for (let id = 1; id <= 20; id += 1) stream.send("succeeded", RESULT, String(id));
  });
  expect(text).toContain("event: gap");
  expect(text).toContain("id: 20\n");
  expect(text.length).toBeLessThan(2_000_000);
});

test("one event is never too large for a stream", async () => {
  const text = await readAll((stream) => {
    for (let part = 0; part < 2; part += 1) {
      stream.send("succeeded", JSON.stringify("x".repeat(2_000_000)), "1");
    }
  });
  expect(text.length).toBeGreaterThan(2_000_000);
});

test("what comes before a stream begins is sent after its first event, and is bounded like the rest", async () => {
  const few = await readAll((stream) => stream.send("progress", "1", "7"));
  expect(few).toMatch(/^retry: \d+\n\nevent: job\n[^]*event: progress\n/);
  const many = await readAll((stream) => {
    for (let id = 1; id <= 5_000; id += 1) stream.send("progress", "1", String(id));
  });
  expect(many).toMatch(/^retry: \d+\n\nevent: job\n[^]*event: gap\n[^]*id: 5000\n/);
  expect(many.match(/^event: progress$/gm)?.length).toBeLessThanOrEqual(1_000);
});

test("a gap tells how many events are lost, those of an earlier gap that nobody read included", async () => {
  const text = await readAll((stream) => {
    for (let id = 1; id <= 5_000; id += 1) stream.send("progress", "1", String(id));
  });
  const got = text.match(/^event: progress$/gm)?.length ?? 0;
  expect(text.match(/(\d+) events were dropped/g)).toEqual([`${5_000 - got} events were dropped`]);
});
