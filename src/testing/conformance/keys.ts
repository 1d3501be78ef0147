// Keys: limits of each, turns between them, and new jobs beyond what a key may have.
import assert from "node:assert/strict";
import type { LimitKey } from "../../core/flow.ts";
import type { NewJob } from "../../core/store.ts";
import type { StoreCase, Topic } from "./harness.ts";
import { limitOf, limited, of, ofCustomer } from "./limit-cases.ts";
import { HOUR_MS, eventually } from "./world.ts";
import { FAILURE, KEEP, offerOf, outcomes } from "./worker.ts";

function keysOf(customer: string, region: string): readonly LimitKey[] {
  return [
    { limit: "customer", key: customer },
    { limit: "region", key: region },
  ];
}

function dropping(key: string): Partial<NewJob> {
  return { keys: [{ limit: "customer", key, onLimit: "drop-new" }] };
}

const ofEachKey: readonly StoreCase[] = [
  limited(
    "each key runs no more jobs than its limit",
    [ofCustomer({ concurrency: 2 })],
    async (world) => {
      const { enqueueMany, worker } = world;
      await enqueueMany(5, of("a"));
      await enqueueMany(1, of("b"));
      const only = await worker();
      const claimed = await only.claim();
      assert.equal(claimed.length, 3);
      assert.equal((await limitOf(world, "customer", "a"))?.running, 2);
      await only.settle(outcomes.succeeded(), ...claimed.slice(0, 1));
      assert.equal((await only.claim()).length, 1);
      assert.equal((await only.claim()).length, 0);
    },
  ),
  limited("keys take turns", [ofCustomer()], async ({ enqueueMany, worker }) => {
    const many = await enqueueMany(100, of("many"));
    const few: string[] = [];
    for (let key = 0; key < 10; key += 1) few.push(...(await enqueueMany(1, of(`few${key}`))));
    const only = await worker();
    const started: string[] = [];
    for (let call = 0; call < 10; call += 1) {
      started.push(...(await only.claim({ capacity: 3 })).map(({ id }) => id));
    }
    assert.ok(
      few.every((id) => started.includes(id)),
      "each key had its turn",
    );
    assert.ok(started.filter((id) => many.includes(id)).length > 0);
  }),
  limited(
    "a key with much to do has its turn however many others come",
    [ofCustomer()],
    async ({ enqueueMany, worker }) => {
      const many = await enqueueMany(10, of("many"));
      const only = await worker();
      const started: string[] = [];
      for (let call = 0; call < 8; call += 1) {
        await enqueueMany(1, of(`new${call}`));
        await enqueueMany(1, of("again"));
        started.push(...(await only.claim({ capacity: 2 })).map(({ id }) => id));
      }
      const had = started.filter((id) => many.includes(id)).length;
      assert.ok(had >= 3, `${had} turns of 16`);
    },
  ),
  limited(
    "those that one key holds up take turns at it",
    [{ name: "region", concurrency: 1, rate: null }],
    async ({ enqueueMany, worker }) => {
      for (const customer of ["a", "b", "c"]) {
        await enqueueMany(4, { keys: keysOf(customer, "eu"), tags: [customer] });
      }
      const only = await worker();
      const started: string[] = [];
      for (let call = 0; call < 9; call += 1) {
        const job = await only.claimOne();
        started.push(...job.tags);
        await only.settle(outcomes.succeeded(), job);
      }
      assert.deepEqual(started.sort().join(""), "aaabbbccc");
    },
  ),
  limited(
    "those that a wider limit lets go take turns in one claim",
    [{ name: "region", concurrency: 1, rate: null }],
    async ({ store, enqueueMany, worker }) => {
      await enqueueMany(1, { keys: keysOf("first", "eu") });
      await enqueueMany(40, { keys: keysOf("many", "eu"), tags: ["many"] });
      const few = ["a", "b", "c", "d", "e"];
      for (const customer of few) {
        await enqueueMany(1, { keys: keysOf(customer, "eu"), tags: [customer] });
      }
      const only = await worker();
      assert.equal((await only.claim()).length, 1);
      const bounds = { concurrency: 21, rate: null };
      await store.setLimits({ queue: "mail", limits: [{ name: "region", bounds }], by: "ops" });
      const started = (await only.claim()).flatMap(({ tags }) => tags);
      assert.equal(started.length, 20);
      assert.deepEqual(started.filter((customer) => customer !== "many").sort(), few);
    },
  ),
  limited(
    "nobody is passed over for those that one key let in before their turn",
    [{ name: "region", concurrency: 1, rate: null }],
    async ({ store, enqueueMany, worker }) => {
      await enqueueMany(1, { keys: keysOf("first", "eu") });
      const only = await worker();
      await only.claimOne();
      const turns = new Map<string, number>();
      const others = ["a", "b", "c", "d", "e", "f", "g"];
      for (const name of ["a", "b", "c", "d", "held0", "e", "f", "held1", "held2", "held3", "g"]) {
        const isHeld = name.startsWith("held");
        const keys = keysOf(name, "eu").slice(0, isHeld ? 2 : 1);
        await enqueueMany(isHeld ? 1 : 5, { keys, tags: [name] });
      }
      const claim = async (capacity: number): Promise<void> => {
        for (const { tags } of await only.claim({ capacity })) {
          for (const name of tags) turns.set(name, (turns.get(name) ?? 0) + 1);
        }
      };
      await claim(others.length);
      const bounds = { concurrency: 9, rate: null };
      await store.setLimits({ queue: "mail", limits: [{ name: "region", bounds }], by: "ops" });
      for (let call = 0; call < 5; call += 1) {
        await claim(3);
        const had = others.map((name) => turns.get(name) ?? 0);
        assert.ok(Math.max(...had) - Math.min(...had) <= 1, `${had.join(" ")} turns`);
      }
    },
  ),
  limited(
    "within a key jobs start in order of their rank",
    [ofCustomer({ concurrency: 1 })],
    async ({ enqueue, worker }) => {
      const [later, first, second] = await enqueue(
        of("a", { headStartMs: -HOUR_MS }),
        of("a"),
        of("a"),
      );
      const only = await worker();
      for (const id of [first, second, later]) {
        const job = await only.claimOne();
        assert.equal(job.id, id);
        await only.settle(outcomes.succeeded(), job);
      }
    },
  ),
  limited(
    "a job with several keys waits for the fullest of them, and others pass it by",
    [ofCustomer({ concurrency: 2 }), { name: "region", concurrency: 3, rate: null }],
    async ({ enqueueMany, worker }) => {
      await enqueueMany(5, { keys: keysOf("a", "eu") });
      await enqueueMany(5, { keys: keysOf("b", "eu") });
      await enqueueMany(5, { keys: keysOf("b", "us") });
      const only = await worker();
      const claimed = await only.claim();
      // Two of each customer, of which at most three are in the eu.
      assert.equal(claimed.length, 4);
      await only.settle(outcomes.succeeded(), ...claimed);
      assert.equal((await only.claim()).length, 4);
    },
  ),
  limited(
    "jobs held by a limit are not lost when the one before them ends in any way",
    [ofCustomer({ concurrency: 1 })],
    async ({ store, enqueueMany, worker, advance, sweep }) => {
      const ids = await enqueueMany(6, of("a"));
      const only = await worker({ leaseDurationMs: 10 * HOUR_MS });
      await only.settle(outcomes.succeeded("1"), await only.claimOne());
      await only.settle(outcomes.succeeded("1", { ageMs: 0, count: 0 }), await only.claimOne());
      await only.settle(outcomes.failed(FAILURE, KEEP), await only.claimOne());
      await only.settle(outcomes.release(), await only.claimOne());
      const running = await only.claimOne();
      assert.equal(running.id, ids[3]);
      assert.deepEqual(await only.claim(), []);
      await store.cancel({ ids: [running.id], reason: "r" });
      await advance(HOUR_MS);
      await sweep();
      await store.cancel({ ids: [ids[4] ?? ""], reason: "r" });
      assert.equal((await only.claimOne()).id, ids[5]);
    },
  ),
  limited(
    "jobs with keys that were put off or retried by hand come back to their key",
    [ofCustomer({ concurrency: 1 })],
    async ({ store, enqueue, enqueueMany, worker, advance }) => {
      await enqueue(of("a", { delayMs: HOUR_MS }));
      const [failed] = await enqueueMany(1, of("a"));
      const only = await worker({ leaseDurationMs: 10 * HOUR_MS });
      await only.settle(outcomes.failed(FAILURE, KEEP), await only.claimOne());
      await store.retry({ ids: [failed ?? ""] });
      await advance(2 * HOUR_MS);
      assert.equal((await only.claim()).length, 1);
    },
  ),
  limited(
    "a limit of keys that is raised lets held jobs go, and one that is taken back holds again",
    [ofCustomer({ concurrency: 1 })],
    async (world) => {
      const { store, enqueueMany, worker } = world;
      await enqueueMany(10, of("a"));
      const only = await worker();
      assert.equal((await only.claim()).length, 1);
      assert.equal((await only.claim()).length, 0);
      const bounds = { concurrency: 4, rate: null };
      await store.setLimits({ queue: "mail", limits: [{ name: "customer", bounds }], by: "ops" });
      assert.equal((await only.claim()).length, 3);
      const raised = await limitOf(world, "customer");
      assert.equal(raised?.concurrency, 4);
      assert.equal(raised.set?.by, "ops");
      assert.deepEqual(raised.declared, { concurrency: 1, rate: null });
      await store.setLimits({
        queue: "mail",
        limits: [{ name: "customer", bounds: null }],
        by: "x",
      });
      assert.equal((await limitOf(world, "customer"))?.concurrency, 1);
      assert.equal((await only.claim()).length, 0);
    },
  ),
  limited(
    "keys of one name in another queue are other keys",
    [ofCustomer({ concurrency: 1 })],
    async ({ enqueueMany, worker, putType }) => {
      await putType({ name: "post", limits: [ofCustomer({ concurrency: 1 })] });
      await enqueueMany(2, of("a"));
      await enqueueMany(2, of("a", { type: "post", queue: "post" }));
      const only = await worker();
      assert.equal((await only.claim({ offers: [offerOf("mail"), offerOf("post")] })).length, 2);
    },
  ),
  limited("records tell their keys", [ofCustomer()], async ({ enqueue, record }) => {
    const [id = ""] = await enqueue(of("a"));
    assert.deepEqual((await record(id)).keys, [{ limit: "customer", key: "a" }]);
  }),
];

const beyond: readonly StoreCase[] = [
  limited(
    "a new job beyond its limit is dropped where it should be",
    [ofCustomer({ concurrency: 2 })],
    async ({ store, job, worker }) => {
      const jobs = [job(dropping("a")), job(dropping("a")), job(dropping("a")), job(dropping("b"))];
      const replies = await store.enqueue({ jobs });
      assert.deepEqual(
        replies.map(({ isNew, because }) => [isNew, because]),
        [
          [true, undefined],
          [true, undefined],
          [false, "dropped"],
          [true, undefined],
        ],
      );
      assert.deepEqual(await store.get({ ids: [jobs[2]?.id ?? ""] }), [null]);
      const only = await worker();
      const [first] = await only.claim({ capacity: 1 });
      if (first !== undefined) await only.settle(outcomes.succeeded(), first);
      const [reply] = await store.enqueue({ jobs: [job(dropping("a"))] });
      assert.equal(reply?.isNew, true);
    },
  ),
  limited(
    "the oldest are cancelled for a new job where they should be",
    [ofCustomer({ concurrency: 1 })],
    async ({ store, job, worker, record }) => {
      const replacing = (): NewJob =>
        job({ keys: [{ limit: "customer", key: "a", onLimit: "cancel-oldest" }] });
      const [first, second, third] = [replacing(), replacing(), replacing()];
      await store.enqueue({ jobs: [first] });
      const only = await worker();
      const running = await only.claimOne();
      await store.enqueue({ jobs: [second] });
      await eventually(
        () => only.cancels.some(({ id }) => id === running.id),
        "the running one should be asked to end",
      );
      await store.enqueue({ jobs: [third] });
      assert.equal((await record(second.id)).state, "cancelled");
      await only.settle(outcomes.cancelled(FAILURE), running);
      assert.equal((await only.claimOne()).id, third.id);
    },
  ),
  limited(
    "nothing is cancelled for a new job that another of its keys drops",
    [ofCustomer({ concurrency: 1 }), { ...ofCustomer({ concurrency: 1 }), name: "page" }],
    async ({ store, job, record }) => {
      const cancelling = { limit: "customer", key: "a", onLimit: "cancel-oldest" } as const;
      const droppingPage = { limit: "page", key: "p", onLimit: "drop-new" } as const;
      const [customers, pages] = [job({ keys: [cancelling] }), job({ keys: [droppingPage] })];
      await store.enqueue({ jobs: [customers, pages] });
      const [reply] = await store.enqueue({ jobs: [job({ keys: [cancelling, droppingPage] })] });
      assert.equal(reply?.because, "dropped");
      assert.equal((await record(customers.id)).state, "ready");
    },
  ),
];

function debounced(key: string): Partial<NewJob> {
  return {
    delayMs: HOUR_MS,
    unique: { key, while: "waiting", debounce: { waitMs: HOUR_MS, longestMs: HOUR_MS } },
  };
}

/** Other keys of a job that is kept already: it must not go on under those of an input that it no longer has. */
const changed: readonly StoreCase[] = [
  {
    ...limited(
      "a job that is retried with another input counts under the keys of that one",
      [ofCustomer({ concurrency: 1 })],
      async (world) => {
        const { store, enqueue, enqueueMany, worker, record } = world;
        const ids = [...(await enqueueMany(2, of("a"))), ...(await enqueue({}, of("c")))];
        const only = await worker({ leaseDurationMs: 10 * HOUR_MS });
        for (let claimed = await only.claim(); claimed.length > 0; claimed = await only.claim()) {
          await only.settle(outcomes.failed(FAILURE, KEEP), ...claimed);
        }
        const keys = { mail: [{ limit: "customer", key: "b" }] };
        const order = { kind: "retry", input: '"2"', keys } as const;
        await store.change({ ids: ids.slice(0, 3), order });
        assert.deepEqual((await record(ids[0] ?? "")).keys, keys.mail);
        const [running, ...others] = await only.claim();
        assert.deepEqual([running?.input, others], ['"2"', []]);
        assert.equal((await limitOf(world, "customer", "a"))?.running, 0);
        assert.equal((await limitOf(world, "customer", "b"))?.running, 1);
        await store.change({ ids: ids.slice(3), order: { ...order, keys: { mail: [] } } });
        assert.deepEqual(
          (await only.claim()).map(({ id }) => id),
          ids.slice(3),
        );
      },
    ),
    needs: ["limits", "bulk"],
  },
  {
    ...limited(
      "a job of a lane without keys that is retried with another input counts under its keys",
      [ofCustomer({ concurrency: 1 })],
      async ({ store, enqueueMany, worker }) => {
        const ids = await enqueueMany(2);
        const only = await worker({ leaseDurationMs: 10 * HOUR_MS });
        await only.settle(outcomes.failed(FAILURE, KEEP), ...(await only.claim()));
        const keys = { mail: [{ limit: "customer", key: "b" }] };
        await store.change({ ids, order: { kind: "retry", input: '"2"', keys } });
        assert.equal((await only.claim()).length, 1);
        assert.equal((await only.claim()).length, 0);
      },
    ),
    needs: ["limits", "bulk"],
  },
  {
    ...limited(
      "a debounced job whose newest input has the first key counts under it",
      [ofCustomer({ concurrency: 1 })],
      async ({ store, job, worker, advance }) => {
        for (const key of ["d1", "d2"]) {
          await store.enqueue({ jobs: [job(debounced(key))] });
          await store.enqueue({ jobs: [job({ ...debounced(key), ...of("a") })] });
        }
        await advance(2 * HOUR_MS);
        const only = await worker({ leaseDurationMs: 10 * HOUR_MS });
        assert.equal((await only.claim()).length, 1);
      },
    ),
    needs: ["limits", "unique"],
  },
];

/** Cases about limits of keys. */
export const keysTopic: Topic = { name: "keys", cases: [...ofEachKey, ...beyond, ...changed] };
