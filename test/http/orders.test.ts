// Orders, reasons, errors and draining over HTTP: by requests, and by the client that has the same calls as a store.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpOperations } from "../../src/http/index.ts";
import { type Operations, orderAll } from "../../src/runtime/index.ts";
import { type TestService, startService } from "./service.ts";

let service: TestService;
let client: Operations;
beforeAll(async () => {
  service = await startService();
  client = createHttpOperations({ url: service.url });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

async function enqueueTagged(tag: string, count: number): Promise<readonly string[]> {
  const entries = Array.from({ length: count }, (_, n) => ({
    type: "idle",
    input: { n, customer: n % 2 === 0 ? "even" : "odd" },
    options: { tags: [tag] },
  }));
  return (await service.mill.enqueueEntries(entries)).map(({ id }) => id);
}

test("jobs are found by fields of their input", async () => {
  await enqueueTagged("found", 6);
  const query = { tag: "found", input: { customer: "odd" }, createdBefore: Date.now() + 60_000 };
  expect((await client.jobs(query)).jobs).toHaveLength(3);
  expect((await client.jobs({ ...query, createdBefore: 0 })).jobs).toHaveLength(0);
  const path = `/v1/jobs?tag=found&input=${encodeURIComponent('{"customer":"odd","n":1}')}`;
  expect((await service.call("GET", path)).json.jobs).toHaveLength(1);
});

test("an order goes on from step to step, and ends where no other is sent", async () => {
  await enqueueTagged("stepped", 10);
  const step = {
    select: { tag: "stepped" },
    order: { kind: "cancel", reason: "not needed" },
    limit: 4,
  } as const;
  const changed: number[] = [];
  for await (const totals of orderAll(client, step)) {
    changed.push(totals.changed);
    if (changed.length === 2) break;
  }
  expect(changed).toEqual([4, 8]);
  const left = { tag: "stepped", states: ["ready" as const] };
  expect((await client.jobs(left)).jobs).toHaveLength(2);
  const dry = await client.orderMatching({ ...step, dryRun: true });
  expect(dry).toMatchObject({ matched: 4, changed: 0 });
});

test("a move tells the new ids, and why tells what holds a job back", async () => {
  const [id = ""] = await enqueueTagged("moved", 1);
  const [reply] = await client.order([id], { kind: "move", queue: "elsewhere-queue" });
  const moved = reply?.changed === true ? (reply.id ?? "") : "";
  expect(await client.why(id)).toBeNull();
  const why = await client.why(moved);
  expect(why?.reasons[0]).toMatchObject({ kind: "no-worker", queue: "elsewhere-queue" });
  expect(why?.sentence).toContain("takes jobs of type idle from the queue elsewhere-queue");
});

test("a draining queue refuses with 409, names who drained it, and is opened again", async () => {
  await client.drain("idle", { reason: "moving" });
  const refused = await service.call("POST", "/v1/jobs", { body: { type: "idle" } });
  expect(refused).toMatchObject({ status: 409, json: { code: "QUEUE_DRAINING" } });
  const queue = (await client.queues()).find(({ name }) => name === "idle");
  expect(queue?.draining).toMatchObject({ by: "anonymous", reason: "moving" });
  await client.resume("idle");
  expect((await service.call("POST", "/v1/jobs", { body: { type: "idle" } })).status).toBe(202);
});

test("changing many jobs needs the scope that changing one does, looking needs the one for looking", async () => {
  const token = "read-only-token-0123456789";
  await using guarded = await startService({
    access: { tokens: [{ name: "viewer", token, scopes: ["read"] }] },
  });
  const headers = { authorization: `Bearer ${token}` };
  const body = { select: {}, order: { kind: "remove" }, dryRun: true };
  for (const path of ["/v1/jobs/order-matching", "/v1/jobs/order", "/v1/queues/a/drain"]) {
    expect((await guarded.call("POST", path, { body, headers })).status).toBe(403);
  }
  expect((await guarded.call("GET", "/v1/errors", { headers })).status).toBe(200);
});
