// Workflow runs: what their owners say, the children that they make, and what they are told.
import assert from "node:assert/strict";
import type { JobId } from "../../core/ids.ts";
import type { Topic } from "./harness.ts";
import { NEEDS, OFFERS, beginRun, endingIn, recordOfRun, say, step } from "./run-cases.ts";
import { REMOVE_AT_ONCE, outcomes } from "./worker.ts";
import { MINUTE_MS, assertFields, eventually } from "./world.ts";

export const runsTopic: Topic = {
  name: "workflow runs",
  cases: [
    {
      name: "wait at their owner, keep what it says, and have no part in what others do",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const reply = await say(world, owner, run, { entries: ['"a"', '{"b":1}'] });
        assert.ok(reply.accepted);
        assertFields(await world.record(run.id), {
          state: "waiting",
          entries: 2,
          worker: owner.id,
          token: run.token,
        });
        const { entries, facts, more } = await recordOfRun(world.store, run.id);
        assert.deepEqual(
          { entries, facts, more },
          { entries: ['"a"', '{"b":1}'], facts: [], more: false },
        );
        const { jobs } = await world.store.list({ filter: { states: ["waiting"] }, limit: 10 });
        assert.deepEqual(
          jobs.map(({ id }) => id),
          [run.id],
        );
        const [queue] = await world.store.queues();
        assert.equal(queue?.counts.waiting, 1);
        assert.deepEqual(await owner.claim(), []);
      },
    },
    {
      name: "keep the same words once, and refuse words that leave some out",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const child = step(world);
        const first = { entries: ['"a"'], children: [child] };
        assert.ok((await say(world, owner, run, first)).accepted);
        assert.ok((await say(world, owner, run, first)).accepted);
        const late = await say(world, owner, run, { from: 2, entries: ['"c"'] });
        assert.deepEqual(late, { accepted: false, why: "stale" });
        assert.deepEqual((await recordOfRun(world.store, run.id)).entries, ['"a"']);
        const { jobs } = await world.store.list({ filter: { type: "step" }, limit: 10 });
        assert.deepEqual(
          jobs.map(({ id, parent }) => ({ id, parent })),
          [{ id: child.id, parent: run.id }],
        );
      },
    },
    {
      name: "refuse a last word that leaves some out, whatever the number of its texts",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        assert.ok((await say(world, owner, run, { entries: ['"a"'] })).accepted);
        const next = { kind: "parked", delayMs: null, facts: 0 } as const;
        for (const entries of [[], ['"b"', '"c"'], ['"b"', '"c"', '"d"']]) {
          const late = await say(world, owner, run, { entries, next });
          assert.deepEqual(late, { accepted: false, why: "stale" }, `with ${entries.length}`);
        }
        assert.deepEqual((await recordOfRun(world.store, run.id)).entries, ['"a"']);
      },
    },
    {
      name: "refuse the word of a claim that was superseded, and of a job that is not kept",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const forged = { ...run, token: `${run.token}0` };
        assert.deepEqual(await say(world, owner, forged, { entries: ['"a"'] }), {
          accepted: false,
          why: "stale",
        });
        const gone = { ...run, id: world.job({ type: "flow" }).id };
        assert.deepEqual(await say(world, owner, gone, {}), { accepted: false, why: "gone" });
        assertFields(await world.record(run.id), { state: "running" });
      },
    },
    {
      name: "are read page by page",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const entries = Array.from({ length: 5 }, (_, index) => String(index));
        const children = Array.from({ length: 5 }, () => step(world));
        await say(world, owner, run, { entries, children });
        const steps = await owner.claim();
        await owner.settle(outcomes.succeeded("1"), ...steps);
        const read: { entries: string[]; keys: JobId[] } = { entries: [], keys: [] };
        for (let pages = 0; pages < 10; pages += 1) {
          const page = await world.store.readRun({
            id: run.id,
            afterEntries: read.entries.length,
            afterFact: read.keys.at(-1) ?? null,
            limit: 3,
          });
          read.entries.push(...(page?.entries ?? []));
          read.keys.push(...(page?.facts ?? []).map(({ key }) => key));
          if (page?.more !== true) break;
        }
        assert.deepEqual(read, { entries, keys: children.map(({ id }) => id).sort() });
      },
    },
    {
      name: "hand a child to their owner in the same act, where nothing stands before it",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        await owner.claim();
        const child = step(world, { token: "mine.1" });
        const reply = await say(world, owner, run, { entries: ["1"], children: [child] });
        assert.ok(reply.accepted);
        const claimed = reply.claimed.includes(child.id);
        assertFields(await world.record(child.id), {
          state: claimed ? "running" : "ready",
          token: claimed ? "mine.1" : null,
        });
        // The same words again give the same answer.
        const again = await say(world, owner, run, { entries: ["1"], children: [child] });
        assert.deepEqual(again.accepted && again.claimed, reply.claimed);
      },
    },
    {
      name: "hand over the children of one act all alike",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        await owner.claim();
        const children = [1, 2, 3].map((number) => step(world, { token: `mine.${number}` }));
        const reply = await say(world, owner, run, { entries: ["1"], children });
        assert.ok(reply.accepted);
        assert.ok([0, children.length].includes(reply.claimed.length));
        const left = await owner.claim();
        assert.equal(left.length + reply.claimed.length, children.length);
      },
    },
    {
      name: "hand over no child of a queue that is paused, nor before others that wait",
      needs: NEEDS,
      isAboutOrder: true,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const [first] = await world.enqueue({ type: "step" });
        const child = step(world, { token: "mine.1" });
        const reply = await say(world, owner, run, { entries: ["1"], children: [child] });
        assert.deepEqual(reply.accepted && reply.claimed, []);
        const claimed = await owner.claim();
        assert.deepEqual(
          claimed.map(({ id, parent }) => ({ id, parent })),
          [
            { id: first, parent: undefined },
            { id: child.id, parent: run.id },
          ],
        );
        await world.store.setPaused({ queue: "step", paused: true, by: "ops", reason: "r" });
        const paused = step(world, { token: "mine.2" });
        const second = await say(world, owner, run, {
          from: 1,
          entries: ["2"],
          children: [paused],
        });
        assert.deepEqual(second.accepted && second.claimed, []);
      },
    },
    {
      name: "make no child again of which they were told the end, in the same act too",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const children = [step(world), step(world)];
        await say(world, owner, run, { entries: ["1"], children });
        const [one, two] = await owner.claim();
        assert.ok(one && two);
        await owner.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), one);
        const again = children.map((child) => ({ ...child, isAgain: true as const }));
        const { id, token } = two;
        await world.store.exchange({
          worker: owner.id,
          settlements: [{ id, token, outcome: outcomes.succeeded("2", REMOVE_AT_ONCE) }],
          advances: [
            {
              id: run.id,
              token: run.token,
              from: 1,
              entries: ["2"],
              children: again,
              next: { kind: "waiting" },
            },
          ],
        });
        assert.deepEqual(await owner.claim(), []);
        const { jobs } = await world.store.list({ filter: { type: "step" }, limit: 10 });
        assert.deepEqual(jobs, []);
        assert.equal((await recordOfRun(world.store, run.id)).facts.length, 2);
      },
    },
    {
      name: "are told how a child ended, also where its record is removed at once",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const children = Array.from({ length: 3 }, () => step(world));
        await say(world, owner, run, { entries: ["1"], children });
        const [one, two, three] = await owner.claim();
        assert.ok(one && two && three);
        await owner.settle(outcomes.succeeded('{"n":1}', REMOVE_AT_ONCE), one);
        await owner.settle(outcomes.succeeded('"kept"'), two);
        await owner.settle(outcomes.retry(), three);
        const [again] = await owner.claim();
        assert.ok(again);
        await owner.settle(outcomes.failed(), again);
        const { facts } = await recordOfRun(world.store, run.id);
        assert.deepEqual(
          facts.map(({ key, kind }) => ({ key, kind })),
          [
            { key: one.id, kind: "ended" },
            { key: two.id, kind: "ended" },
            { key: three.id, kind: "ended" },
          ].sort((left, right) => (left.key < right.key ? -1 : 1)),
        );
        const byKey = new Map(facts.map((fact) => [fact.key, endingIn(fact)]));
        assertFields(byKey.get(one.id) ?? {}, {
          state: "succeeded",
          result: { n: 1 },
          attempts: 1,
          worker: owner.id,
        });
        assertFields(byKey.get(two.id) ?? {}, { state: "succeeded", result: "kept" });
        assertFields(byKey.get(three.id) ?? {}, { state: "failed", attempts: 2 });
      },
    },
    {
      name: "are told of a child that is cancelled, expires, or is removed before its end",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const [cancelled, expired, removed] = [
          step(world),
          step(world, { expireAfterMs: MINUTE_MS }),
          step(world),
        ];
        await say(world, owner, run, { entries: ["1"], children: [cancelled, expired, removed] });
        await world.store.cancel({ ids: [cancelled.id], reason: "r" });
        await world.store.remove({ ids: [removed.id] });
        await world.advance(2 * MINUTE_MS);
        await world.sweep();
        const { facts } = await recordOfRun(world.store, run.id);
        const byKey = new Map(facts.map((fact) => [fact.key, endingIn(fact)]));
        assertFields(byKey.get(cancelled.id) ?? {}, { state: "cancelled" });
        assertFields(byKey.get(expired.id) ?? {}, { state: "failed" });
        const { state, error } = byKey.get(removed.id) ?? {};
        assert.equal(state, "cancelled");
        assert.equal((error as { code?: string } | undefined)?.code, "JOB_REMOVED");
      },
    },
    {
      name: "tell their owner what others told them",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const child = step(world);
        await say(world, owner, run, { entries: ["1"], children: [child] });
        const other = await world.worker({ offers: OFFERS });
        await other.settle(outcomes.succeeded("7"), await other.claimOne());
        const { id } = world.job({ type: "flow" });
        await world.store.signal({ signals: [{ run: run.id, id, name: "go", payload: "[1]" }] });
        await eventually(
          () => new Set(owner.news.map(({ fact }) => fact.key)).size === 2,
          () => `the owner should hear of both: ${JSON.stringify(owner.news)}`,
        );
        assert.ok(owner.news.every((each) => each.run === run.id));
        const signal = owner.news.find(({ fact }) => fact.kind === "signal");
        assertFields(JSON.parse(signal?.fact.body ?? "{}"), { name: "go", payload: [1] });
      },
    },
    {
      name: "tell their owner what was told through another store object",
      needs: [...NEEDS, "second-object"],
      async run(world) {
        const { owner, run } = await beginRun(world);
        const child = step(world);
        await say(world, owner, run, { entries: ["1"], children: [child] });
        const second = await world.openSecond();
        const other = await world.worker({ offers: OFFERS, store: second });
        await other.settle(outcomes.succeeded("7"), await other.claimOne());
        await eventually(
          () => owner.news.some(({ fact }) => fact.key === child.id),
          "the owner should hear of what happened elsewhere",
        );
      },
    },
  ],
};
