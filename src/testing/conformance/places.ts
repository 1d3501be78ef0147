// Places: where a job stands that waits for a worker.
import assert from "node:assert/strict";
import type { Taker } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { limited, of, ofCustomer } from "./limit-cases.ts";
import { HOUR_MS, MINUTE_MS } from "./world.ts";

export const placesTopic: Topic = {
  name: "places",
  cases: [
    {
      name: "count what would be claimed before a job, by rank, whatever its type",
      isAboutOrder: true,
      needs: ["places"],
      async run({ store, enqueue, worker }) {
        const [first = "", second = "", other = "", urgent = "", last = ""] = await enqueue(
          {},
          {},
          { type: "b", queue: "mail" },
          { headStartMs: HOUR_MS },
          { headStartMs: -HOUR_MS },
        );
        await enqueue({ type: "elsewhere" });
        const ids = [first, second, other, urgent, last];
        const ahead = async (): Promise<readonly (number | undefined)[]> =>
          (await store.places({ ids })).map((place) => place?.ahead);
        assert.deepEqual(await ahead(), [1, 2, 3, 0, 4]);
        const { claimOne } = await worker();
        assert.equal((await claimOne()).id, urgent);
        assert.deepEqual(await ahead(), [0, 1, 2, undefined, 3]);
        await store.cancel({ ids: [second], reason: "r" });
        assert.deepEqual(await ahead(), [0, undefined, 1, undefined, 2]);
      },
    },
    {
      name: "count what those that are asked for would claim, by type and labels",
      isAboutOrder: true,
      needs: ["places"],
      async run({ store, enqueue }) {
        const gpu = { labels: ["gpu"] };
        const ids = await enqueue(
          {},
          gpu,
          { type: "b", queue: "mail" },
          gpu,
          {},
          {
            type: "b",
            queue: "mail",
            ...gpu,
          },
        );
        const last = await enqueue({}, gpu);
        assert.equal(ids.length, 6);
        const ahead = async (
          ...takers: readonly Taker[]
        ): Promise<readonly (number | undefined)[]> =>
          (await store.places({ ids: last, takers })).map((place) => place?.ahead);
        const types = ["mail"];
        assert.deepEqual(await ahead({ types, labels: [] }), [2, 3]);
        assert.deepEqual(await ahead({ types, labels: ["eu", "gpu"] }), [4, 5]);
        assert.deepEqual(await ahead({ types: ["b", "mail"], labels: [] }), [3, 4]);
        assert.deepEqual(await ahead({ labels: ["gpu"] }), [6, 7]);
        assert.deepEqual(
          await ahead({ types: ["b"], labels: ["gpu"] }, { types, labels: [] }),
          [4, 5],
        );
        const places = await store.places({ ids: last });
        assert.deepEqual(
          places.map((place) => place?.ahead),
          [6, 7],
        );
      },
    },
    limited(
      "of a job with keys count those of its own keys, for keys take turns",
      [ofCustomer()],
      async ({ store, enqueue, worker }) => {
        const [first = "", second = "", other = ""] = await enqueue(of("a"), of("a"), of("b"));
        const ahead = async (): Promise<readonly (number | undefined)[]> =>
          (await store.places({ ids: [first, second, other] })).map((place) => place?.ahead);
        assert.deepEqual(await ahead(), [0, 1, 0]);
        const { claimOne } = await worker();
        assert.equal((await claimOne()).id, first);
        assert.deepEqual(await ahead(), [undefined, 0, 0]);
      },
    ),
    limited(
      "of a job without keys count those with keys by rank, but for those that their limit holds",
      [ofCustomer({ concurrency: 1 })],
      async ({ store, enqueue, worker }) => {
        const ids = await enqueue(of("a"), of("a"), of("b"), {}, of("b"));
        const plain = ids[3] ?? "";
        const ahead = async (): Promise<number | undefined> =>
          (await store.places({ ids: [plain] }))[0]?.ahead;
        assert.equal(await ahead(), 3);
        const { claimOne } = await worker();
        assert.equal((await claimOne()).id, ids[0]);
        assert.equal(await ahead(), 1);
        assert.equal((await claimOne()).id, ids[2]);
        assert.equal(await ahead(), 0);
        assert.equal((await claimOne()).id, plain);
      },
    ),
    {
      name: "are those of ready jobs only",
      needs: ["places"],
      async run({ store, enqueue, worker, job }) {
        const [running = "", scheduled = ""] = await enqueue({}, { delayMs: MINUTE_MS });
        await (await worker()).claimOne();
        assert.deepEqual(await store.places({ ids: [running, scheduled, job().id] }), [
          null,
          null,
          null,
        ]);
      },
    },
    {
      name: "tell of a job that is held apart since its workers died",
      needs: ["places"],
      async run({ store, enqueueMany, worker, advance, sweep }) {
        const ids = await enqueueMany(2);
        for (let death = 0; death < 2; death += 1) {
          const { claim } = await worker({ leaseDurationMs: MINUTE_MS });
          assert.equal((await claim()).length, 2);
          await advance(2 * MINUTE_MS);
          await sweep();
        }
        const places = await store.places({ ids });
        assert.deepEqual(
          places.map((place) => place?.company),
          [1, 1],
        );
      },
    },
  ],
};
