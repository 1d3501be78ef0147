// Types: what was made known of job types, to everyone.
import assert from "node:assert/strict";
import type { TypeRecord } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { typeRecord } from "./world.ts";

const byName = (types: readonly TypeRecord[]): readonly TypeRecord[] =>
  [...types].sort((left, right) => (left.name < right.name ? -1 : 1));

export const typesTopic: Topic = {
  name: "types",
  cases: [
    {
      name: "are kept as they were told, and told anew replace what was",
      async run({ store }) {
        assert.deepEqual(await store.types(), []);
        const plain = typeRecord({ name: "plain" });
        const full = typeRecord({
          name: "full",
          queue: "slow",
          retention: {
            succeeded: { ageMs: 0, count: 0 },
            failed: { ageMs: 1, count: Number.POSITIVE_INFINITY },
            cancelled: { ageMs: 3, count: 4 },
          },
          maxCrashes: 7,
          cancelGraceMs: 0,
          redactedPaths: "function",
          inputSchema: '{"type":"object"}',
          outputSchema: "true",
          launcher: "thread",
        });
        await store.putTypes({ types: [plain, full] });
        assert.deepEqual(byName(await store.types()), [full, plain]);
        const changed = { ...plain, redactedPaths: ["card", "user.*"], maxCrashes: 9 };
        await store.putTypes({ types: [changed] });
        await store.putTypes({ types: [] });
        assert.deepEqual(byName(await store.types()), [full, changed]);
      },
    },
    {
      name: "made known through one store object are known to all",
      needs: ["second-object"],
      async run({ store, openSecond, putType, enqueue, sweep, advance }) {
        const second = await openSecond();
        const [id = ""] = await enqueue({ expireAfterMs: 1 });
        const retention = {
          succeeded: { ageMs: 1, count: 1 },
          failed: { ageMs: 77_000, count: 1 },
          cancelled: { ageMs: 1, count: 1 },
        };
        const type = await putType({ retention }, second);
        assert.deepEqual(await store.types(), [type]);
        await advance(10);
        await sweep(store);
        const [record] = await store.get({ ids: [id] });
        assert.equal((record?.removeAtMs ?? 0) - (record?.finishedAtMs ?? 0), 77_000);
      },
    },
  ],
};
