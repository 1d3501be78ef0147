// What is kept of a job only until it ends is gone from the file when it has ended.
import { expect, it } from "vitest";
import { attachWorker, eachInPlace, newJob } from "./place.ts";

const current = eachInPlace();

const FLOWS = [
  ["a key", { keys: [{ limit: "l", key: "k" }] }],
  ["a key with a choice", { keys: [{ limit: "l", key: "k", onLimit: "drop-new" }] }],
  ["what it stands for", { unique: { key: "u", while: "waiting" } }],
  ["both", { keys: [{ limit: "l", key: "k" }], unique: { key: "u", while: "waiting" } }],
] as const;
const RETENTIONS = [
  ["removed", { ageMs: 0, count: 0 }],
  ["kept", { ageMs: 3_600_000, count: 1_000 }],
] as const;

for (const [has, flow] of FLOWS) {
  for (const [become, retention] of RETENTIONS) {
    it(`a job with ${has} that is ${become} leaves nothing of it behind`, async () => {
      const { place, store } = current();
      const worker = await attachWorker(store);
      const job = newJob(flow);
      await store.enqueue({ jobs: [job] });
      const [claimed] = await worker.claim();
      const outcome = { kind: "succeeded", result: "1", retention } as const;
      const token = claimed?.token ?? "";
      const { settled } = await worker.exchange([{ id: job.id, token, outcome }]);
      expect(settled).toEqual([{ accepted: true, state: "succeeded" }]);

      const connection = place.connect();
      const count = (sql: string): unknown => connection.prepare(sql).get()?.["n"];
      expect(count("SELECT count(*) AS n FROM uniques")).toBe(0);
      expect(count("SELECT count(*) AS n FROM standing")).toBe(0);
      expect(count("SELECT coalesce(sum(running), 0) AS n FROM gates")).toBe(0);
      expect(count("SELECT count(*) AS n FROM jobs WHERE grp IS NOT NULL")).toBe(0);
      expect(count("SELECT count(*) AS n FROM jobs")).toBe(retention.ageMs === 0 ? 0 : 1);
    });
  }
}
