// Event streams: in order, with a heartbeat, resumed where they were cut, and honest about what was lost.
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomUUID } from "node:crypto";
import type { EventView, Millrace } from "millrace";
import { createHttpOperations } from "millrace/http";
import {
  type HubListener,
  MAX_LINGERING_HUBS,
  createEventHubs,
} from "../../src/http/events/event-hub.ts";
import { type TestService, freePort, startService } from "./service.ts";

let service: TestService;

beforeAll(async () => {
  service = await startService({ heartbeatMs: 50 });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

interface Streamed {
  readonly kind: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** Reads a stream until it has what was asked for. */
async function readUntil(
  path: string,
  isEnough: (events: readonly Streamed[], text: string) => boolean,
  headers: Record<string, string> = {},
  onOpen?: () => Promise<unknown>,
): Promise<readonly Streamed[]> {
  const response = await fetch(`${service.url}${path}`, { headers });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  await onOpen?.();
  const decoder = new TextDecoder();
  let text = "";
  let events: readonly Streamed[] = [];
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    events = text
      .split("\n\n")
      .slice(0, -1)
      .filter((block) => block.includes("data: "))
      .map((block) => ({
        kind: /^event: (.*)$/m.exec(block)?.[1] ?? "",
        id: /^id: (.*)$/m.exec(block)?.[1],
        data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null") as Record<string, unknown>,
      }));
    if (isEnough(events, text)) break;
  }
  return events;
}

const enqueueEcho = (text: string) =>
  service.mill.enqueueEntries([{ type: "echo", input: { text } }]);
const ended = (count: number) => (events: readonly Streamed[]) =>
  events.filter(({ kind }) => kind === "succeeded").length >= count;

test("a type's stream tells each job's life in order", async () => {
  const events = await readUntil("/v1/events?type=echo", ended(1), {}, () => enqueueEcho("a"));
  const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== "progress");
  expect(kinds).toEqual(["enqueued", "started", "log", "succeeded"]);
  expect(events.at(-1)?.data).toMatchObject({ kind: "succeeded", result: { text: "a" } });
});

test("a job's stream begins with where the job stands", async () => {
  const [receipt] = await enqueueEcho("b");
  await receipt?.result();
  const [first] = await readUntil(`/v1/jobs/${receipt?.id}/events`, (events) => events.length > 0);
  expect(first).toMatchObject({ kind: "job", data: { id: receipt?.id, state: "succeeded" } });
});

test("a quiet stream has a heartbeat", async () => {
  let beats = 0;
  await readUntil("/v1/events?type=idle", (_, text) => {
    beats = text.split(": heartbeat").length - 1;
    return beats >= 2;
  });
  expect(beats).toBeGreaterThanOrEqual(2);
});

test("a stream that comes back is told what it missed, once and in order", async () => {
  const first = await readUntil("/v1/events?type=echo", ended(1), {}, () => enqueueEcho("c1"));
  const lastId = first.at(-1)?.id ?? "";
  const missed = await Promise.all([enqueueEcho("c2"), enqueueEcho("c3")]);
  await Promise.all(missed.flat().map((receipt) => receipt.result()));
  const again = await readUntil("/v1/events?type=echo", ended(2), { "last-event-id": lastId });
  const results = again.filter(({ kind }) => kind === "succeeded").map(({ data }) => data["id"]);
  expect(new Set(results)).toEqual(new Set(missed.flat().map(({ id }) => id)));
  expect(again.map(({ id }) => id)).not.toContain(lastId);
  expect(again.map(({ kind }) => kind)).not.toContain("gap");
});

test("what is kept for streams that come back is bounded by its size, too", async () => {
  const first = await readUntil("/v1/events?type=echo", ended(1), {}, () => enqueueEcho("d"));
  const large = await Promise.all(
    Array.from({ length: 30 }, () => enqueueEcho("x".repeat(200_000))),
  );
  await Promise.all(large.flat().map((receipt) => receipt.result()));
  const headers = { "last-event-id": first.at(-1)?.id ?? "" };
  const [again] = await readUntil("/v1/events?type=echo", (events) => events.length > 0, headers);
  expect(again?.kind).toBe("gap");
});

/** The hubs of a service, and how many subscriptions at the store they have open. */
function countedHubs() {
  let open = 0;
  const { mill } = service;
  const counted: Millrace = Object.create(mill, {
    subscribe: {
      value: async (...args: Parameters<Millrace["subscribe"]>): Promise<AsyncDisposable> => {
        const subscription = await mill.subscribe(...args);
        open += 1;
        return {
          async [Symbol.asyncDispose]() {
            await subscription[Symbol.asyncDispose]();
            open -= 1;
          },
        };
      },
    },
  }) as Millrace;
  return { hubs: createEventHubs(counted, randomUUID), openCount: () => open };
}

test("a job that is not there leaves nothing behind, however many are asked for", async () => {
  const { hubs, openCount } = countedHubs();
  const unheard = { event: () => {}, gap: () => {} };
  for (let count = 0; count < 20; count += 1) {
    (await hubs.attach({ id: randomUUID() }, unheard)).detach();
  }
  await expect.poll(openCount).toBe(0);
  await hubs.close();
});

test("hubs that wait for their streams to come back are bounded, and the last ones left stay", async () => {
  const { hubs, openCount } = countedHubs();
  const entries = Array.from({ length: MAX_LINGERING_HUBS }, () => ({ type: "idle", input: {} }));
  const receipts = [
    ...(await service.mill.enqueueEntries(entries)),
    ...(await service.mill.enqueueEntries([{ type: "idle", input: {} }])),
  ];
  let heard = 0;
  const gaps: string[] = [];
  const ids: string[] = [];
  const listener: HubListener = {
    event: ({ id }) => {
      heard += 1;
      ids.push(id);
    },
    gap: (reason) => gaps.push(reason),
  };
  const attached = await Promise.all(receipts.map(({ id }) => hubs.attach({ id }, listener)));
  for (const { id } of receipts) await service.mill.cancel([id]);
  await expect.poll(() => heard).toBe(receipts.length);
  for (const attachment of attached) attachment.detach();
  await expect.poll(openCount).toBe(MAX_LINGERING_HUBS);
  await hubs.attach({ id: receipts.at(-1)?.id ?? "" }, listener, ids.at(-1));
  expect(gaps).toEqual([]);
  await hubs.attach({ id: receipts[0]?.id ?? "" }, listener, ids[0]);
  expect(gaps).toHaveLength(1);
  await hubs.close();
  expect(openCount()).toBe(0);
});

test("a stream that comes back from another life is told of the gap", async () => {
  const [first] = await readUntil("/v1/events?type=echo", (events) => events.length > 0, {
    "last-event-id": "another-life-17",
  });
  expect(first?.kind).toBe("gap");
});

test("a subscription that its owner ends tells no gap, whether or not anything came", async () => {
  const client = createHttpOperations({ url: service.url });
  const gaps: string[] = [];
  const following = await client.subscribe(
    { type: "echo" },
    () => {},
    (reason) => gaps.push(reason),
  );
  await following[Symbol.asyncDispose]();
  expect(gaps).toEqual([]);
});

test("the client follows over a restart of the service, and says that it may have missed some", async () => {
  const port = await freePort();
  const first = await startService({ port });
  const client = createHttpOperations({ url: first.url });
  const events: EventView[] = [];
  const gaps: string[] = [];
  await using _following = await client.subscribe(
    { type: "echo" },
    (event) => events.push(event),
    (reason) => gaps.push(reason),
  );
  await first.mill.enqueueEntries([{ type: "echo", input: { text: "before" } }]);
  await expect.poll(() => events.at(-1)?.kind).toBe("succeeded");
  await first[Symbol.asyncDispose]();
  await using second = await startService({ port });
  await expect.poll(() => gaps.length, { timeout: 30_000 }).toBeGreaterThan(0);
  const [receipt] = await second.mill.enqueueEntries([{ type: "echo", input: { text: "after" } }]);
  await expect
    .poll(() => events.at(-1), { timeout: 30_000 })
    .toMatchObject({
      kind: "succeeded",
      id: receipt?.id,
    });
});

test("a client that heard nothing yet is told to look again when it listens again, not before", async () => {
  const port = await freePort();
  const first = await startService({ port });
  const client = createHttpOperations({ url: first.url });
  let isBack = false;
  const gaps: boolean[] = [];
  await using _following = await client.subscribe(
    { type: "echo" },
    () => {},
    () => gaps.push(isBack),
  );
  await first[Symbol.asyncDispose]();
  // Time enough for it to notice, and to look in vain.
  await expect(client.queues()).rejects.toMatchObject({ code: "SERVICE_UNREACHABLE" });
  isBack = true;
  await using _second = await startService({ port });
  await expect.poll(() => gaps).toEqual([true]);
});
