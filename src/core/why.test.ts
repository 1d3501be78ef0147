// Why a job is not running: each reason, alone and together, and the sentence that says it.
import { expect, test } from "vitest";
import type { LimitRecord } from "./flow.ts";
import type { NewJob, QueueRecord, WorkerRecord } from "./store.ts";
import { createJob } from "./transitions.ts";
import { type WaitFacts, explainWait, sentenceOf } from "./why.ts";

const NOW = 1_000_000_000_000;
const id = "0199d3c0-0000-7000-8000-000000000001";
const worker: WorkerRecord = {
  id: "w1",
  host: "h",
  pid: 1,
  concurrency: 10,
  labels: [],
  queues: ["mail"],
  types: ["mail"],
  version: "0",
  attachedAtMs: 0,
  leaseUntilMs: NOW,
  running: 0,
};
const limit: LimitRecord = {
  queue: "mail",
  name: "customer",
  key: "acme",
  concurrency: 2,
  rate: null,
  declared: null,
  set: null,
  running: 2,
  opensInMs: 0,
  pushedBackUntilMs: null,
};

function facts(job: Partial<NewJob> = {}, more: Partial<WaitFacts> = {}): WaitFacts {
  return {
    job: createJob({ id, type: "mail", queue: "mail", input: "1", ...job }, NOW),
    queue: undefined,
    workers: [worker],
    limits: [],
    place: { ahead: 0, company: null },
    perWorker: null,
    openSteps: [],
    pace: 0,
    nowMs: NOW,
    ...more,
  };
}

function pausedQueue(reason: string): QueueRecord {
  return { name: "mail", paused: { by: "ann", reason, atMs: NOW - 60_000 }, counts: {} as never };
}

test.each<[string, WaitFacts, readonly string[], RegExp]>([
  ["nothing", facts(), ["next"], /^Nothing holds it back/],
  [
    "its time",
    facts({ delayMs: 90_000 }),
    ["not-before"],
    /^It is due in 1m30s, at 2001-09-09T01:48:10.000Z\.$/,
  ],
  [
    "a pause",
    facts({}, { queue: pausedQueue("outage") }),
    ["paused"],
    /^The queue mail was paused by ann 1m ago \(outage\)\.$/,
  ],
  ["that nobody works", facts({}, { workers: [] }), ["no-worker"], /^No worker is alive\.$/],
  [
    "that nobody takes its type",
    facts({ type: "report" }),
    ["no-worker"],
    /^None of 1 worker takes jobs of type report from the queue mail\.$/,
  ],
  [
    "labels that nobody offers",
    facts({ labels: ["eu", "gpu"] }, { workers: [{ ...worker, labels: ["eu"] }] }),
    ["no-labels"],
    /^It requires the labels eu, gpu, and of 1 worker that takes its type none offers gpu\.$/,
  ],
  [
    "labels that nobody offers together",
    facts(
      { labels: ["eu", "gpu"] },
      {
        workers: [
          { ...worker, labels: ["eu"] },
          { ...worker, labels: ["gpu"] },
        ],
      },
    ),
    ["no-labels"],
    /none offers them together\.$/,
  ],
  [
    "suspicion",
    facts({}, { place: { ahead: 0, company: 1 } }),
    ["held-apart"],
    /^Workers died under it, so it waits for an idle worker that has run for a while, and runs beside at most 0 others\.$/,
  ],
  [
    "the concurrency of its key",
    facts({}, { limits: [limit] }),
    ["limit"],
    /^The key acme \(customer\) is at its limit: 2 of 2 run\.$/,
  ],
  [
    "a limit that is full, and of which a handler pushed back as well",
    facts({}, { limits: [{ ...limit, opensInMs: 5_000, pushedBackUntilMs: NOW }] }),
    ["limit", "limit"],
    /^The key acme \(customer\) is at its limit: 2 of 2 run; a handler pushed back: the key acme \(customer\) goes on in 5s/,
  ],
  [
    "a limit of its key that lets none run",
    facts(
      {},
      {
        limits: [
          { ...limit, key: null, concurrency: 0 },
          { ...limit, concurrency: 0 },
        ],
      },
    ),
    ["limit"],
    /^The limit of the key acme \(customer\) lets none run\.$/,
  ],
  [
    "a rate",
    facts({}, { limits: [{ ...limit, name: "queue", key: null, running: 0, opensInMs: 1_500 }] }),
    ["limit"],
    /^The rate of the queue lets the next one start in 1.5s\.$/,
  ],
  [
    "a handler that pushed back",
    facts({}, { limits: [{ ...limit, running: 0, opensInMs: 5_000, pushedBackUntilMs: NOW }] }),
    ["limit"],
    /^A handler pushed back: the key acme \(customer\) goes on in 5s \(at once with: millrace limits release mail --name customer --key acme\)\.$/,
  ],
  [
    "a handler that pushed back on a key that a shell would take apart",
    facts(
      {},
      {
        limits: [{ ...limit, key: "o'a b", running: 0, opensInMs: 5_000, pushedBackUntilMs: NOW }],
      },
    ),
    ["limit"],
    /--key 'o'\\''a b'\)\.$/,
  ],
  [
    "a handler that pushed back on its queue",
    facts(
      {},
      {
        limits: [
          {
            ...limit,
            name: "queue",
            key: null,
            running: 0,
            opensInMs: 5_000,
            pushedBackUntilMs: NOW,
          },
        ],
      },
    ),
    ["limit"],
    /^A handler pushed back: the queue goes on in 5s \(at once with: millrace limits release mail\)\.$/,
  ],
  [
    "others before it",
    facts({}, { place: { ahead: 99, company: null }, pace: 0.01 }),
    ["behind"],
    /^99 jobs of its queue come first, about 10s at the pace of the last minutes\.$/,
  ],
  [
    "others before it, at no pace",
    facts({}, { place: { ahead: 1, company: null } }),
    ["behind"],
    /^1 job of its queue comes first, nothing of the queue ended in the last minutes\.$/,
  ],
  [
    "workers that are full",
    facts({}, { workers: [{ ...worker, running: 10 }] }),
    ["workers-full"],
    /^The worker that could take it is full, with 10 jobs\.$/,
  ],
  [
    "workers that run as many of its type as they may",
    facts({}, { perWorker: { most: 2, running: new Map([[worker.id, 2]]) } }),
    ["workers-full"],
    /^The worker that could take it is full for its type, with 2 jobs of it: at most 2 at once on each worker\.$/,
  ],
  [
    "nothing, where one worker can run another of its type",
    facts(
      {},
      {
        workers: [worker, { ...worker, id: "w2" }],
        perWorker: { most: 2, running: new Map([[worker.id, 2]]) },
      },
    ),
    ["next"],
    /^Nothing holds it back/,
  ],
  [
    "several at once",
    facts({ delayMs: 1_000 }, { queue: pausedQueue(""), workers: [] }),
    ["not-before", "paused", "no-worker"],
    /^It is due in 1s, .*; the queue mail was paused by ann 1m ago; no worker is alive\.$/,
  ],
])("a job is held back by %s", (_, given, kinds, sentence) => {
  const reasons = explainWait(given);
  expect(reasons.map(({ kind }) => kind)).toEqual(kinds);
  expect(sentenceOf(given, reasons)).toMatch(sentence);
});

test("a job that runs says where, and a job that ended that it did", () => {
  const base = facts();
  const running = {
    ...base.job,
    state: "running" as const,
    worker: "w1",
    startedAtMs: NOW - 5_000,
  };
  const asked = { ...running, cancelRequest: { atMs: NOW, reason: "r" } };
  const say = (job: WaitFacts["job"]): string =>
    sentenceOf({ ...base, job }, explainWait({ ...base, job }));
  expect(say(running)).toBe("It has run on w1 for 5s.");
  expect(say(asked)).toBe("It has run on w1 for 5s, and was asked to stop.");
  const openSteps = [
    { step: 2, name: "charge", kind: "job", jobId: id, untilMs: null },
    { step: 3, name: "approved", kind: "signal", jobId: null, untilMs: NOW },
    { step: 4, name: "sleep", kind: "sleep", jobId: null, untilMs: NOW },
    { step: 5, name: "count", kind: "local", jobId: null, untilMs: null },
  ] as const;
  const run = { ...base, openSteps, job: { ...base.job, state: "waiting" } } as const;
  expect(sentenceOf(run, explainWait(run))).toBe(
    `It is a workflow run that waits for step 2 (charge, job ${id}), and for the signal approved until 2001-09-09T01:46:40.000Z, and until 2001-09-09T01:46:40.000Z, and 1 other step.`,
  );
  expect(explainWait(run)).toMatchObject([{ kind: "waiting-for-steps", count: 4 }]);
  expect(say({ ...base.job, state: "failed" })).toBe("It has ended: it failed for good.");
  expect(say({ ...base.job, state: "waiting" })).toContain("workflow run");
});

test("a job that waits for its next try says so", () => {
  const base = facts({ delayMs: 10_000 });
  const job = { ...base.job, attempts: 1 };
  expect(sentenceOf({ ...base, job }, explainWait({ ...base, job }))).toMatch(
    /^Its next try is due in 10s/,
  );
});

test("a job whose time has come is ready, whatever its record says yet", () => {
  const base = facts({ delayMs: 10_000 });
  expect(explainWait({ ...base, nowMs: NOW + 20_000 })).toEqual([{ kind: "next" }]);
});
