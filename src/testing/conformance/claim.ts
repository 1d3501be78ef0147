// Claims: who gets which jobs, in which order, and how many.
import assert from "node:assert/strict";
import { MAX_CLAIM_BATCH } from "../../core/limits.ts";
import type { ClaimedJob } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { offerOf, outcomes } from "./worker.ts";
import { MINUTE_MS, assertFields, assertNear } from "./world.ts";

const idsOf = (claimed: readonly ClaimedJob[]): readonly string[] => claimed.map(({ id }) => id);

export const claimTopic: Topic = {
  name: "claims",
  cases: [
    {
      name: "hand over all that is needed to run a job, and mark it running",
      needs: ["tags"],
      async run({ enqueue, worker, record, now }) {
        const [id = ""] = await enqueue({ input: '{"n":1}', tags: ["a", "b"] });
        const by = await worker();
        const { claimed } = await by.exchange([], { capacity: 1 });
        const [one] = claimed;
        assert.ok(one !== undefined);
        const kept = await record(id);
        assertFields(one, {
          id,
          type: "mail",
          queue: "mail",
          input: '{"n":1}',
          attempt: 1,
          crashes: 0,
          tags: ["a", "b"],
          enqueuedAtMs: kept.enqueuedAtMs,
          dueAtMs: kept.dueAtMs,
        });
        assertNear(one.startedAtMs, await now(), "startedAtMs");
        assertFields(kept, {
          state: "running",
          worker: by.id,
          token: one.token,
          startedAtMs: one.startedAtMs,
          attempts: 0,
        });
      },
    },
    {
      name: "hand over the retention that a job brought",
      isAboutOrder: true,
      async run({ enqueue, worker }) {
        const retention = {
          succeeded: { ageMs: 1, count: 2 },
          failed: { ageMs: 3, count: 4 },
          cancelled: { ageMs: 5, count: 6 },
        };
        await enqueue({ retention }, {});
        const claimed = await (await worker()).claim();
        assert.deepEqual(
          claimed.map((each) => each.retention),
          [retention, undefined],
        );
      },
    },
    {
      name: "give each job to one worker",
      isAboutOrder: true,
      async run({ enqueue, worker }) {
        const ids = await enqueue({}, {}, {});
        const [left, right] = [await worker(), await worker()];
        const first = await left.claim({ capacity: 2 });
        const second = await right.claim();
        assert.deepEqual([...idsOf(first), ...idsOf(second)], ids);
        assert.deepEqual(await left.claim(), []);
      },
    },
    {
      name: "are made first in, first out, also within one moment",
      isAboutOrder: true,
      async run({ enqueueMany, worker }) {
        const ids = [...(await enqueueMany(50)), ...(await enqueueMany(50))];
        const { claim } = await worker();
        const claimed: string[] = [];
        for (let round = 0; round < 10; round += 1)
          claimed.push(...idsOf(await claim({ capacity: 10 })));
        assert.deepEqual(claimed, ids);
      },
    },
    {
      name: "of jobs with many head starts that came in one call give each as it was given",
      needs: ["priorities"],
      isAboutOrder: true,
      async run({ store, enqueue, worker }) {
        const starts = Array.from({ length: 30 }, (_, index) => index * MINUTE_MS);
        const ids = await enqueue(...starts.map((headStartMs) => ({ headStartMs })));
        const claimed = await (await worker()).claim({ capacity: 30 });
        assert.deepEqual(
          claimed.map(({ id }) => id),
          [...ids].reverse(),
        );
        const records = await store.get({ ids });
        assert.deepEqual(
          records.map((record) => record?.headStartMs),
          starts,
        );
      },
    },
    {
      name: "are made in the order of head starts, which later arrivals can't hold against an old job for ever",
      needs: ["priorities"],
      isAboutOrder: true,
      async run({ enqueue, worker, advance }) {
        const [plain = ""] = await enqueue({});
        await advance(10 * MINUTE_MS);
        const ids = await enqueue(
          { headStartMs: 5 * MINUTE_MS },
          { headStartMs: 20 * MINUTE_MS },
          {},
          { headStartMs: -5 * MINUTE_MS },
          { headStartMs: 20 * MINUTE_MS },
        );
        const { claim } = await worker();
        const order: string[] = [];
        for (let round = 0; round < 6; round += 1)
          order.push(...idsOf(await claim({ capacity: 1 })));
        assert.deepEqual(order, [ids[1], ids[4], plain, ids[0], ids[2], ids[3]]);
      },
    },
    {
      name: "never exceed their one capacity, over however many queues",
      async run({ store, job, worker }) {
        const queues = Array.from({ length: 50 }, (_, index) => `queue-${index}`);
        await store.enqueue({ jobs: queues.flatMap((type) => [job({ type }), job({ type })]) });
        const { claim } = await worker();
        const offers = queues.map((queue) => offerOf(queue));
        const first = await claim({ offers, capacity: 10 });
        assert.equal(first.length, 10);
        const rest = await claim({ offers, capacity: 1_000 });
        assert.equal(rest.length, 90);
        assert.equal(new Set(idsOf([...first, ...rest])).size, 100);
      },
    },
    {
      name: "never exceed the capacity of an offer, and fill up from the others",
      async run({ enqueueMany, worker }) {
        await enqueueMany(10, { type: "a" });
        await enqueueMany(10, { type: "b" });
        const { claim } = await worker();
        const claimed = await claim({
          offers: [offerOf("a", "a", 2), offerOf("b", "b", 1_000)],
          capacity: 9,
        });
        const counted = ["a", "b"].map(
          (name) => claimed.filter(({ type }) => type === name).length,
        );
        assert.deepEqual(counted, [2, 7]);
        assert.deepEqual(await claim({ offers: [offerOf("a", "a", 0)], capacity: 9 }), []);
      },
    },
    {
      name: "take only types that are offered, also where types share a queue",
      async run({ enqueue, worker }) {
        const [known = "", , elsewhere = ""] = await enqueue(
          { type: "known", queue: "shared" },
          { type: "other", queue: "shared" },
          { type: "known", queue: "elsewhere" },
        );
        const { claim } = await worker();
        assert.deepEqual(idsOf(await claim({ offers: [offerOf("shared", "known")] })), [known]);
        assert.deepEqual(idsOf(await claim({ offers: [offerOf("elsewhere", "known")] })), [
          elsewhere,
        ]);
        assert.deepEqual(await claim({ offers: [offerOf("shared", "nobody")] }), []);
        assert.deepEqual(await claim({ offers: [] }), []);
      },
    },
    {
      name: "take nothing where nothing is asked for",
      async run({ enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { exchange } = await worker();
        const asked = await exchange([]);
        assert.deepEqual(asked, { settled: [], claimed: [], lookAgainInMs: null });
        assert.deepEqual((await exchange([], { capacity: 0 })).claimed, []);
        assert.equal((await record(id)).state, "ready");
      },
    },
    {
      name: "go with the tokens that were asked for, in order",
      isAboutOrder: true,
      async run({ enqueueMany, worker, store }) {
        const ids = await enqueueMany(3);
        const { id, description } = await worker();
        const { claimed } = await store.exchange({
          worker: id,
          settlements: [],
          claim: {
            capacity: 5,
            offers: [offerOf("mail")],
            labels: description.labels,
            tokenNonce: "nonce",
            firstToken: 41,
          },
        });
        assert.deepEqual(
          claimed.map(({ token }) => token),
          ["nonce.41", "nonce.42", "nonce.43"],
        );
        assert.deepEqual(idsOf(claimed), ids);
      },
    },
    {
      name: "settle first, so that what became ready is claimed by the same call",
      async run({ enqueue, worker }) {
        const [id = ""] = await enqueue({});
        const { claimOne, exchange } = await worker();
        const first = await claimOne();
        const { settled, claimed } = await exchange(
          [{ id, token: first.token, outcome: outcomes.release() }],
          { capacity: 1 },
        );
        assert.deepEqual(settled, [{ accepted: true, state: "ready" }]);
        assert.deepEqual(idsOf(claimed), [id]);
        assert.notEqual(claimed[0]?.token, first.token);
      },
    },
    {
      name: "may be as large as the bound",
      async run({ enqueueMany, worker }) {
        await enqueueMany(MAX_CLAIM_BATCH);
        await enqueueMany(10);
        const { claim } = await worker();
        assert.equal((await claim({ capacity: MAX_CLAIM_BATCH })).length, MAX_CLAIM_BATCH);
        assert.equal((await claim()).length, 10);
      },
    },
    {
      name: "keep to labels: a job goes to a worker that offers all that it requires",
      needs: ["labels"],
      async run({ enqueue, worker }) {
        const [none = "", gpu = "", both = ""] = await enqueue(
          {},
          { labels: ["gpu"] },
          { labels: ["gpu", "region=eu"] },
        );
        const plain = await worker();
        assert.deepEqual(idsOf(await plain.claim()), [none]);
        const elsewhere = await worker({ labels: ["region=eu", "region=us"] });
        assert.deepEqual(await elsewhere.claim(), []);
        const half = await worker({ labels: ["gpu", "ssd"] });
        assert.deepEqual(idsOf(await half.claim()), [gpu]);
        const whole = await worker({ labels: ["gpu", "region=eu", "ssd"] });
        assert.deepEqual(idsOf(await whole.claim()), [both]);
      },
    },
    {
      name: "of a worker with labels take jobs that require none, too",
      needs: ["labels"],
      async run({ enqueue, worker }) {
        const ids = await enqueue({}, { labels: ["gpu"] }, {});
        const claimed = idsOf(await (await worker({ labels: ["gpu"] })).claim());
        assert.deepEqual([...claimed].sort(), ids);
      },
    },
  ],
};
