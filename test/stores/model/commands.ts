// Random commands that drive a store and the reference model side by side.
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { JobState } from "../../../src/core/job.ts";
import type { Capability } from "../../../src/core/store-description.ts";
import type {
  ClaimRequest,
  NewJob,
  Retention,
  RetentionPolicy,
  SettleOutcome,
} from "../../../src/core/store.ts";
import { applyClaim, compareFilter } from "../../../src/testing/index.ts";
import { type Command, LONG_INPUT, command, error, minutes, pick, terms } from "./command.ts";
import { orderCommands } from "./order-commands.ts";
import { runCommands } from "./run-commands.ts";
import { scheduleCommands } from "./schedule-commands.ts";
import { type Side, LABELS, MINUTE_MS, QUEUES, TAGS, TYPES, withoutDue } from "./side.ts";

const retention: fc.Arbitrary<Retention> = fc.oneof(
  // Counts are left to the conformance suite: which jobs go first depends on when the store looks.
  fc.constant({ ageMs: 0, count: 1_000 }),
  minutes.map((ageMs) => ({ ageMs, count: 1_000 })),
);
const retentionPolicy: fc.Arbitrary<RetentionPolicy> = fc.record({
  succeeded: retention,
  failed: retention,
  cancelled: retention,
});

/** Most jobs require nothing: else hardly any claim would find one. */
const seldom = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray([...LABELS]));

const newJob: fc.Arbitrary<Omit<NewJob, "id">> = fc.record(
  {
    type: fc.constantFrom(...TYPES),
    queue: fc.constantFrom(...QUEUES),
    input: fc.constantFrom('"a"', '{"n":1.0}', JSON.stringify(LONG_INPUT)),
    delayMs: minutes,
    headStartMs: fc.constantFrom(3 * MINUTE_MS, -2 * MINUTE_MS),
    expireAfterMs: minutes,
    labels: seldom,
    tags: fc.subarray([...TAGS]),
    idempotency: fc.record({ key: fc.constantFrom("k1", "k2"), rememberMs: minutes }),
    retention: retentionPolicy,
    terms,
    keys: fc
      .record(
        { customer: fc.constantFrom("a", "b"), region: fc.constantFrom("eu", "us") },
        { requiredKeys: [] },
      )
      .map((keys) => Object.entries(keys).map(([limit, key]) => ({ limit, key }))),
    unique: fc.record({
      key: fc.constantFrom("u1", "u2"),
      while: fc.constantFrom("waiting" as const, "running" as const, "unfinished" as const),
    }),
  },
  { requiredKeys: ["type", "queue", "input"] },
);

/** Jobs as the store under test can take them. */
function fitting(side: Side, drawn: Omit<NewJob, "id">): Omit<NewJob, "id"> {
  const { keys, unique, labels, headStartMs, ...job } = drawn;
  const { capabilities } = side.store;
  const isUnique = unique !== undefined && capabilities.has("unique") && !job.idempotency;
  return {
    ...job,
    ...(keys !== undefined && keys.length > 0 && capabilities.has("limits") ? { keys } : {}),
    ...(isUnique ? { unique } : {}),
    ...(labels !== undefined && capabilities.has("labels") ? { labels } : {}),
    ...(headStartMs !== undefined && capabilities.has("priorities") ? { headStartMs } : {}),
  };
}

const enqueue = command(
  "enqueue",
  fc.array(newJob, { minLength: 1, maxLength: 6 }),
  async (side, drawn) => {
    const jobs = drawn.map((job) => side.identify(fitting(side, job)));
    const expected = side.model.enqueue(jobs, await side.now());
    const replies = await side.store.enqueue({ jobs });
    assert.deepEqual(replies.map(withoutDue), expected.map(withoutDue));
  },
);

const enqueueAgain = command("enqueue again", pick, async (side, which) => {
  const [id] = side.pickIds([which]);
  const job = side.enqueued.find((each) => each.id === id);
  if (job === undefined) return;
  const expected = side.model.enqueue([job], await side.now());
  const replies = await side.store.enqueue({ jobs: [job] });
  assert.deepEqual(replies.map(withoutDue), expected.map(withoutDue));
});

const claimPart = fc.record(
  {
    by: pick,
    capacity: fc.integer({ min: 0, max: 12 }),
    labels: fc.subarray([...LABELS]),
    offers: fc.uniqueArray(
      fc.record({
        queue: fc.constantFrom(...QUEUES),
        type: fc.constantFrom(...TYPES),
        capacity: fc.constantFrom(1, 2, 100),
      }),
      { selector: ({ queue, type }) => `${queue} ${type}`, minLength: 1, maxLength: 6 },
    ),
    isYoung: fc.constant(true as const),
  },
  { requiredKeys: ["by", "capacity", "labels", "offers"] },
);

const limitName = fc.constantFrom("queue", "customer", "region");
const pushBack = fc.record({ limit: limitName, delayMs: minutes });
const delayMs = fc.oneof(fc.constant(0), minutes);
const outcome: fc.Arbitrary<SettleOutcome> = fc.oneof(
  fc.record({
    kind: fc.constant("succeeded" as const),
    result: fc.constantFrom('"r"', "2.0"),
    retention,
  }),
  fc.record({ kind: fc.constant("failed" as const), error: fc.constant(error), retention }),
  fc.record({ kind: fc.constant("cancelled" as const), error: fc.constant(error), retention }),
  fc.record({ kind: fc.constant("retry" as const), error: fc.constant(error), delayMs }),
  fc.record({ kind: fc.constant("snooze" as const), delayMs }),
  fc.record({ kind: fc.constant("snooze" as const), delayMs, pushBack }),
  fc.constant({ kind: "release" as const }),
);

const lastWords = fc.record(
  {
    progress: fc.constantFrom("0.5", '{"step":1}'),
    logs: fc.constant([{ level: "info" as const, message: "said", atMs: 1 }]),
  },
  { requiredKeys: [] },
);

/** Which claims are settled: mostly those that stand, now and then any that ever was, or one twice. */
const settlePart = fc.array(
  fc.record({
    which: pick,
    isLatest: fc.boolean(),
    outcome,
    words: lastWords,
    isForged: fc.boolean(),
  }),
  { maxLength: 5 },
);

const exchange = command(
  "exchange",
  fc.record({ settle: settlePart, claim: fc.option(claimPart) }),
  async (side, drawn) => {
    const worker = side.pickWorker(drawn.claim?.by ?? 0);
    const settlements = drawn.settle.flatMap(({ which, isLatest, isForged, words, ...rest }) => {
      const claimed = side.pickClaim(which, isLatest);
      if (claimed === undefined) return [];
      // One in ten or so: half of these claims are stale already.
      const token = isForged && which % 5 === 0 ? `${claimed.token}.forged` : claimed.token;
      return [{ id: claimed.id, token, ...words, outcome: withoutPushBack(side, rest.outcome) }];
    });
    const nowMs = await side.now();
    const expected = side.model.settle(settlements, nowMs);
    const request: ClaimRequest | undefined =
      drawn.claim === null ? undefined : side.claimRequest(drawn.claim);
    const reply = await side.store.exchange({
      worker,
      settlements,
      ...(request === undefined ? {} : { claim: request }),
    });
    assert.deepEqual(reply.settled, expected);
    if (request === undefined) assert.deepEqual([reply.claimed, reply.lookAgainInMs], [[], null]);
    else {
      applyClaim(side.model, { worker, request, nowMs }, reply);
      side.claims.push(...reply.claimed);
    }
  },
);

function withoutPushBack(side: Side, drawn: SettleOutcome): SettleOutcome {
  if (drawn.kind !== "snooze" || side.store.capabilities.has("limits")) return drawn;
  return { kind: "snooze", delayMs: drawn.delayMs };
}

/** Windows that no sum of whole minutes ends at: whether a start at the very edge counts is not to be asked. */
const rate = fc.record({
  limit: fc.integer({ min: 1, max: 3 }),
  perMs: minutes.map((durationMs) => durationMs - MINUTE_MS / 2),
});

const setLimits = command(
  "set limits",
  fc.record({
    queue: fc.constantFrom(...QUEUES),
    name: limitName,
    bounds: fc.option(
      fc.record({ concurrency: fc.option(fc.integer({ min: 0, max: 3 })), rate: fc.option(rate) }),
    ),
  }),
  async ({ store, model }, { queue, name, bounds }) => {
    if (!store.capabilities.has("limits")) return;
    await store.setLimits({ queue, limits: [{ name, bounds }], by: "ops" });
    model.flow.set(queue, name, bounds);
  },
);

const release = command(
  "release",
  fc.record({
    queue: fc.constantFrom(...QUEUES),
    key: fc.option(
      fc.record({
        limit: limitName.filter((name) => name !== "queue"),
        key: fc.constantFrom("a", "b", "eu"),
      }),
      {
        nil: undefined,
      },
    ),
  }),
  async (side, { queue, key }) => {
    const { store, model } = side;
    if (!store.capabilities.has("limits")) return;
    const expected = model.flow.release(queue, key, await side.now());
    const { heldUntilMs } = await store.releaseHold({
      queue,
      ...(key === undefined ? {} : { key }),
    });
    assert.equal(heldUntilMs === null, expected === null);
  },
);

const report = command(
  "report",
  fc.array(fc.tuple(pick, fc.boolean(), lastWords), { minLength: 1, maxLength: 6 }),
  async (side, drawn) => {
    const reports = drawn.flatMap(([which, isLatest, words]) => {
      const claimed = side.pickClaim(which, isLatest);
      return claimed === undefined ? [] : [{ id: claimed.id, token: claimed.token, ...words }];
    });
    assert.deepEqual(await side.store.report({ reports }), side.model.report(reports));
  },
);

const ids = fc.array(pick, { minLength: 1, maxLength: 4 });

const cancel = command(
  "cancel",
  fc.tuple(ids, fc.constantFrom("r1", "r2")),
  async (side, [which, reason]) => {
    const chosen = side.pickIds(which);
    const expected = side.model.cancel(chosen, reason, await side.now());
    const replies = await side.store.cancel({ ids: chosen, reason });
    assert.deepEqual(replies.map(withoutDue), expected.map(withoutDue));
  },
);

const retry = command("retry", ids, async (side, which) => {
  const chosen = side.pickIds(which);
  const expected = side.model.retry(chosen, await side.now());
  const replies = await side.store.retry({ ids: chosen });
  assert.deepEqual(replies.map(withoutDue), expected.map(withoutDue));
});

const remove = command("remove", ids, async (side, which) => {
  const chosen = side.pickIds(which);
  const expected = side.model.remove(chosen, await side.now());
  const replies = await side.store.remove({ ids: chosen });
  assert.deepEqual(replies.map(withoutDue), expected.map(withoutDue));
});

const advance = command("advance", minutes, (side, durationMs) => side.advance(durationMs));

const sweep = command("sweep", fc.constant(null), async (side) => {
  const expected = side.model.sweep(await side.now());
  const done = await side.sweep();
  assert.deepEqual([...done.deadWorkers].sort(), [...expected.deadWorkers].sort());
  assert.deepEqual(
    { crashed: done.crashed, expired: done.expired },
    { crashed: expected.crashed, expired: expected.expired },
  );
});

const pause = command(
  "pause",
  fc.record({ queue: fc.constantFrom(...QUEUES), paused: fc.boolean() }),
  async ({ store, model }, { queue, paused }) => {
    await store.setPaused({ queue, paused, by: "ops", reason: "r" });
    if (paused) model.paused.add(queue);
    else model.paused.delete(queue);
  },
);

const putType = command(
  "put type",
  fc.record({
    name: fc.constantFrom(...TYPES),
    retention: retentionPolicy,
    maxCrashes: fc.integer({ min: 1, max: 3 }),
    cancelGraceMs: minutes,
  }),
  async ({ store, model }, drawn) => {
    const type = { ...drawn, queue: drawn.name, launcher: "in-process", redactedPaths: [] };
    await store.putTypes({ types: [type] });
    model.putType(type);
  },
);

/** Leases are long beside what a sequence takes, so that no keeper renews them within one. */
const attach = command("attach", fc.integer({ min: 10, max: 30 }), (side, leaseMinutes) =>
  side.attach(leaseMinutes * MINUTE_MS),
);

const detach = command("detach", pick, (side, which) => side.detach(which));

const dies = command("a worker dies", pick, async (side, which) => {
  const worker = side.pickWorker(which);
  const leftMs = (side.model.leases.get(worker) ?? 0) - (await side.now());
  if (leftMs > 0) await side.advance(Math.ceil(leftMs / MINUTE_MS) * MINUTE_MS);
});

const look = command(
  "list",
  fc.record({
    filter: fc.record(
      {
        states: fc.subarray<JobState>([
          "scheduled",
          "ready",
          "running",
          "waiting",
          "succeeded",
          "failed",
        ]),
        type: fc.constantFrom(...TYPES),
        queue: fc.constantFrom(...QUEUES),
        tag: fc.constantFrom(...TAGS),
      },
      { requiredKeys: [] },
    ),
    pageSize: fc.integer({ min: 1, max: 5 }),
  }),
  ({ store }, { filter, pageSize }) => compareFilter(store, filter, pageSize),
);

const readLogs = command("logs", pick, async (side, which) => {
  const [id] = side.pickIds([which]);
  if (id === undefined) return;
  assert.deepEqual(await side.store.logs({ id, limit: 100 }), side.model.logs.get(id) ?? []);
});

/** Sequences of commands. What is most of a store's work comes most often. */
export function commands(
  maxCommands: number,
  capabilities: readonly Capability[],
): fc.Arbitrary<Iterable<Command>> {
  const frequent = [enqueue, exchange, exchange, exchange];
  const usual = [enqueueAgain, report, cancel, retry, remove, advance, sweep];
  const rare = [
    setLimits,
    setLimits,
    release,
    pause,
    putType,
    attach,
    detach,
    dies,
    look,
    readLogs,
  ];
  const orders = capabilities.includes("bulk") ? orderCommands : [];
  const all = [
    ...frequent,
    ...frequent,
    ...usual,
    ...usual,
    ...scheduleCommands,
    ...orders,
    ...rare,
  ];
  // Runs need many right words after each other: half of the sequences are mostly about them.
  const runs = [enqueue, exchange, ...runCommands, ...runCommands, ...usual, ...rare];
  // Without a size of their own, sequences would hardly be longer than ten commands.
  const size = { maxCommands, size: "max" } as const;
  return fc.oneof(fc.commands(all, size), fc.commands(runs, size));
}
