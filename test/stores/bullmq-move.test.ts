// `millrace move`: what waits goes from one store to another, with nothing lost or doubled, cut off or not.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { FlowProducer, Queue } from "bullmq";
import { expect, inject, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { defineJob, openMillrace } from "../../src/index.ts";
import { openBullmqStore } from "../../src/stores/bullmq/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { createIdMaker } from "../../src/core/index.ts";
import type { NewJob, Store } from "../../src/core/index.ts";
import { repository, run } from "../cli/command-line.ts";

const HOUR_MS = 3_600_000;
const makeId = createIdMaker({
  now: Date.now,
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
});

function place() {
  const name = `move-${randomUUID().slice(0, 8)}`;
  const redisUrl = inject("redisUrl");
  const { hostname: host, port } = new URL(redisUrl);
  return {
    name,
    redisUrl,
    bullmqUrl: `bullmq+${redisUrl}?prefix=${name}`,
    bull: { prefix: name, connection: { host, port: Number(port), maxRetriesPerRequest: null } },
    args: ["move", "--from", `bullmq+${redisUrl}?prefix=${name}`, "--to", redisUrl].concat([
      "--to-namespace",
      name,
    ]),
  };
}

async function openBoth({ bullmqUrl, redisUrl, name }: ReturnType<typeof place>) {
  const from = await openBullmqStore({ url: bullmqUrl, namespace: "default" });
  const to = await openRedisStore({ url: redisUrl, namespace: name });
  onTestFinished(async () => {
    await from.close();
    await to.close();
  });
  return { from, to };
}

function job(options: Partial<NewJob> = {}): NewJob {
  return { id: makeId("mail"), type: "mail", queue: "mail", input: "{}", ...options };
}

async function idsOf(store: Store): Promise<readonly string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      filter: {},
      limit: 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    });
    ids.push(...page.jobs.map(({ id }) => id));
    ({ cursor } = page);
  } while (cursor !== undefined);
  return ids.sort();
}

test("waiting and delayed jobs go over with what is known of them, in their order, and what runs stays", async () => {
  const here = place();
  const { from, to } = await openBoth(here);
  const running = job();
  const jobs = [
    running,
    job({ input: '{"n":1.0}', tags: ["a"] }),
    job({ delayMs: HOUR_MS, expireAfterMs: HOUR_MS }),
    job({ idempotency: { key: "order-7", rememberMs: HOUR_MS } }),
  ];
  await from.enqueue({ jobs });
  const listener = { wake: () => {}, cancel: () => {}, lost: () => {} };
  const worker = { id: here.name, host: "h", pid: 1, concurrency: 1, version: "0" };
  const serves = { labels: [], queues: ["mail"], types: ["mail"] };
  const offers = [{ queue: "mail", type: "mail", capacity: 9 }];
  const ask = { offers, labels: [], tokenNonce: "n" };
  const busy = await from.attachWorker({
    worker: { ...worker, ...serves },
    leaseDurationMs: HOUR_MS,
    listener,
  });
  onTestFinished(() => busy.close());
  await from.exchange({
    worker: here.name,
    settlements: [],
    claim: { ...ask, capacity: 1, firstToken: 1 },
  });
  const waiting = jobs.slice(1);
  const before = await from.get({ ids: waiting.map(({ id }) => id) });

  const dry = await run([...here.args, "--dry-run", "--json"]);
  expect(JSON.parse(dry.out)).toEqual({
    total: 3,
    moved: 3,
    known: 0,
    left: 0,
    running: 1,
    isDryRun: true,
  });
  expect(await idsOf(to)).toEqual([]);

  const { code, out } = await run(here.args);
  expect({ code, out }).toEqual({
    code: 0,
    out: "3 jobs moved\n1 jobs were running and end where they are; move again for what they leave\n",
  });
  expect(await idsOf(from)).toEqual([running.id]);
  const after = await to.get({ ids: waiting.map(({ id }) => id) });
  const shape = (records: typeof before) =>
    records.map((each) => [
      each?.id,
      each?.type,
      each?.queue,
      each?.state,
      each?.input,
      each?.tags,
    ]);
  expect(shape(after)).toEqual(shape(before));
  expect(after[1]?.dueAtMs).toBe(before[1]?.dueAtMs);
  expect(Math.abs((after[1]?.expiresAtMs ?? 0) - (before[1]?.expiresAtMs ?? 0))).toBeLessThan(
    60_000,
  );
  expect(after[2]?.idempotencyKey).toBe("order-7");
  expect((await from.queues())[0]?.paused).toBeNull();
  expect((await run([...here.args, "--json"])).out).toContain('"total": 0');
});

test("jobs of other producers get ids of their own; those of flows and job schedulers stay", async () => {
  const here = place();
  const { from, to } = await openBoth(here);
  const queue = new Queue("mail", here.bull);
  const flow = new FlowProducer(here.bull);
  onTestFinished(async () => {
    await queue.close();
    await flow.close();
  });
  await queue.addBulk([1, 2, 3].map((n) => ({ name: "mail", data: { n } })));
  await queue.upsertJobScheduler("nightly", { pattern: "0 3 * * *" }, { name: "mail", data: {} });
  await flow.add({
    name: "sum",
    queueName: "sums",
    children: [{ name: "mail", queueName: "mail", data: { n: 4 } }],
  });
  const { out } = await run(here.args);
  expect(out).toBe(
    "3 jobs moved\n2 jobs stay: they belong to a workflow, a flow or a job scheduler\n",
  );
  const { jobs } = await to.list({ filter: {}, limit: 10 });
  expect(jobs.toReversed().map(({ input }) => input)).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
  expect(await queue.getJobCounts("waiting", "delayed")).toEqual({ waiting: 1, delayed: 1 });
  expect((await from.list({ filter: {}, limit: 10 })).jobs).toHaveLength(3);
});

test("a move that is killed in the middle is repeated, while the other store runs what came: each job runs once", async () => {
  const here = place();
  const { from } = await openBoth(here);
  const jobs = Array.from({ length: 2_000 }, (_, n) => job({ input: JSON.stringify({ n }) }));
  for (let at = 0; at < jobs.length; at += 1_000) {
    await from.enqueue({ jobs: jobs.slice(at, at + 1_000) });
  }
  const ran: number[] = [];
  const mail = defineJob({
    name: "mail",
    input: z.object({ n: z.number() }),
    concurrency: 50,
    // Gone as soon as it has run: what the repeated move finds is no job, and yet must not come again.
    retention: { succeeded: "remove" },
    run: ({ input }) => {
      ran.push(input.n);
    },
  });
  await using mill = await openMillrace({
    store: here.redisUrl,
    namespace: here.name,
    jobs: [mail],
    logger: false,
  });
  await mill.start();
  const main = join(repository, "src/cli/main.ts");
  const mover = spawn(process.execPath, ["--conditions=millrace-source", main, ...here.args], {
    stdio: "ignore",
  });
  const ended = once(mover, "exit");
  await vi.waitFor(() => expect(ran.length).toBeGreaterThan(0), { timeout: 30_000, interval: 1 });
  mover.kill("SIGKILL");
  await ended;
  const [cut] = await from.queues();
  // Nobody may run here what may be there already.
  expect(cut?.paused).toMatchObject({ by: "millrace move" });
  const again = await run([...here.args, "--json"]);
  expect(again.code).toBe(0);
  await vi.waitFor(() => expect(ran.length).toBeGreaterThanOrEqual(jobs.length), {
    timeout: 30_000,
  });
  expect(ran.toSorted((left, right) => left - right)).toEqual(jobs.map((_, n) => n));
  expect(await idsOf(from)).toEqual([]);
  expect((await from.queues())[0]?.paused).toBeNull();
});

test("what the other store can't keep is refused before anything is moved", async () => {
  const here = place();
  const { from, to } = await openBoth(here);
  await to.enqueue({ jobs: [job({ labels: ["gpu"] })] });
  const back = ["move", "--from", here.redisUrl, "--namespace", here.name];
  const { code, err } = await run([...back, "--to", here.bullmqUrl]);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("needs labels") });
  expect(await idsOf(from)).toEqual([]);
  expect((await to.queues())[0]?.paused).toBeNull();
});
