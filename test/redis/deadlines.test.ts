// A server that says nothing: every call ends by its deadline, and the next one works when the server does.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import type { Store } from "../../src/core/store.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { randomBytes } from "node:crypto";
import { TcpProxy } from "../chaos/harness/tcp-proxy.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

const DEADLINE_MS = 300;
/** Far less than a wait without a deadline, far more than a busy machine needs beyond one. */
const LATEST_MS = 10_000;

let server: RedisServer;
let proxy: TcpProxy;
let store: Store;

beforeAll(async () => {
  server = await startRedis();
  proxy = await TcpProxy.start({ host: "127.0.0.1", port: server.port });
  store = await openRedisStore({
    url: `redis://127.0.0.1:${proxy.port}`,
    namespace: "default",
    deadlineMs: DEADLINE_MS,
  });
});
afterAll(async () => {
  proxy.mend();
  await store.close();
  await proxy[Symbol.asyncDispose]();
  await server.stop();
});

test("every call of a store ends by its deadline when nothing answers", async () => {
  const makeId = createIdMaker({ now: Date.now, randomBytes });
  const id = makeId("mail");
  const job = { id, type: "mail", queue: "mail", input: "{}" };
  const keyed = { ...job, id: makeId("mail"), idempotency: { key: "k", rememberMs: 1_000 } };
  // What is known of queues from before is no answer.
  await store.enqueue({ jobs: [job] });
  const offers = [{ queue: "mail", type: "mail", capacity: 1 }];
  const claim = { capacity: 1, offers, labels: [], tokenNonce: "n", firstToken: 1 };
  const outcome = { kind: "release" } as const;
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    enqueue: () => store.enqueue({ jobs: [{ ...job, id: makeId("mail") }] }),
    "enqueue with a key": () => store.enqueue({ jobs: [keyed] }),
    "enqueue in a new queue": () => store.enqueue({ jobs: [{ ...job, queue: "new" }] }),
    claim: () => store.exchange({ worker: "w", settlements: [], claim }),
    settle: () => store.exchange({ worker: "w", settlements: [{ id, token: "t", outcome }] }),
    report: () => store.report({ reports: [{ id, token: "t", progress: "1" }] }),
    workers: () => store.workers(),
    get: () => store.get({ ids: [id] }),
    list: () => store.list({ filter: {}, limit: 1 }),
    logs: () => store.logs({ id, limit: 1 }),
    cancel: () => store.cancel({ ids: [id], reason: "r" }),
    retry: () => store.retry({ ids: [id] }),
    remove: () => store.remove({ ids: [id] }),
    queues: () => store.queues(),
    setPaused: () => store.setPaused({ queue: "mail", paused: true, by: "me", reason: "r" }),
    types: () => store.types(),
    sweep: () => store.sweep({ limit: 1 }),
    describe: () => store.describe(),
    subscribe: () => store.subscribe({ filter: {}, listener: () => {}, onGap: () => {} }),
  };
  proxy.stall();
  const late: Record<string, unknown> = {};
  await Promise.all(
    Object.entries(calls).map(async ([name, call]) => {
      const beganAtMs = performance.now();
      const code = await call().then(
        () => "answered",
        (error: unknown) => (error as { readonly code?: string }).code,
      );
      const tookMs = performance.now() - beganAtMs;
      if (code !== "STORE_BUSY" || tookMs > LATEST_MS) late[name] = { code, tookMs };
    }),
  );
  expect(late).toEqual({});
  proxy.mend();
  await expect.poll(() => store.get({ ids: [id] }).catch(() => [])).toHaveLength(1);
});
