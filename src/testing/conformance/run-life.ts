// The life of workflow runs: put out of memory and woken, signalled, cancelled, ended, taken over.
import assert from "node:assert/strict";
import type { Advance, RunFact } from "../../core/run.ts";
import type { Store } from "../../core/store.ts";
import { DEFAULT_STORE_POLICY } from "../../core/transitions.ts";
import type { Topic } from "./harness.ts";
import {
  NEEDS,
  OFFERS,
  beginRun,
  endingIn,
  parkedRun,
  recordOfRun,
  say,
  step,
} from "./run-cases.ts";
import { REMOVE_AT_ONCE, offerOf, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, assertFields, eventually } from "./world.ts";

export const runLifeTopic: Topic = {
  name: "the life of workflow runs",
  cases: [
    {
      name: "are put out of memory, and ready again when their time has come",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await parkedRun(world, HOUR_MS);
        assertFields(await world.record(run.id), { state: "scheduled", token: null, entries: 1 });
        assert.deepEqual(await owner.claim({ offers: [offerOf("flow")] }), []);
        await world.advance(HOUR_MS);
        const again = await owner.claimOne({ offers: [offerOf("flow")] });
        assertFields(again, { id: run.id, resumes: true });
        const late = await say(world, owner, run, { from: 1, entries: ['"late"'] });
        assert.deepEqual(late, { accepted: false, why: "stale" });
      },
    },
    {
      name: "are ready again when they are told something while they are out of memory",
      needs: NEEDS,
      async run(world) {
        for (const delayMs of [null, HOUR_MS]) {
          const { owner, run, child } = await parkedRun(world, delayMs);
          const claimed = await owner.claimOne({ offers: [offerOf("step")] });
          assert.equal(claimed.id, child.id);
          await owner.settle(outcomes.succeeded("1"), claimed);
          assertFields(await world.record(run.id), { state: "ready" });
          const again = await owner.claimOne({ offers: [offerOf("flow")] });
          assertFields(again, { id: run.id, resumes: true });
          await say(world, owner, again, { from: 1, next: outcomes.succeeded() as never });
        }
      },
    },
    {
      name: "are not put out of memory where there is something that their owner has not heard",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const { id } = world.job({ type: "flow" });
        await world.store.signal({ signals: [{ run: run.id, id, name: "go", payload: "1" }] });
        const next = { kind: "parked", delayMs: null, facts: 0 } as const;
        assert.ok((await say(world, owner, run, { entries: ["1"], next })).accepted);
        assertFields(await world.record(run.id), { state: "ready" });
      },
    },
    {
      name: "take a signal once, however often it is sent, and none when they have ended",
      needs: NEEDS,
      async run(world) {
        const [id = ""] = await world.enqueue({ type: "flow" });
        const signal = { run: id, id: world.job({ type: "flow" }).id, name: "go", payload: "1" };
        const [sent, again] = await world.store.signal({ signals: [signal, signal] });
        assert.deepEqual([sent?.changed, again?.changed], [true, true]);
        const owner = await world.worker({ offers: OFFERS });
        const run = await owner.claimOne();
        assert.equal(run.resumes, true);
        assert.equal((await recordOfRun(world.store, id)).facts.length, 1);
        await owner.settle(outcomes.succeeded(), run);
        const late = { ...signal, id: world.job({ type: "flow" }).id };
        assert.deepEqual(await world.store.signal({ signals: [late] }), [
          { changed: false, state: "succeeded" },
        ]);
        const nowhere = { ...signal, run: world.job({ type: "flow" }).id };
        assert.deepEqual(await world.store.signal({ signals: [nowhere] }), [
          { changed: false, state: null },
        ]);
      },
    },
    {
      name: "end with what is to be kept of them, and tell a run that made them",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const inner = step(world, { type: "flow" });
        await say(world, owner, run, { entries: ["1"], children: [inner] });
        const child = await owner.claimOne({ offers: [offerOf("flow")] });
        const next = outcomes.succeeded('"done"') as Advance["next"];
        assert.ok((await say(world, owner, child, { entries: ['"z"'], next })).accepted);
        assertFields(await world.record(child.id), {
          state: "succeeded",
          result: '"done"',
          entries: 1,
        });
        assert.deepEqual((await recordOfRun(world.store, child.id)).entries, ['"z"']);
        const { facts } = await recordOfRun(world.store, run.id);
        assertFields(endingIn(facts[0] as RunFact), { state: "succeeded", result: "done" });
      },
    },
    {
      name: "leave nothing behind when they are removed",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        await say(world, owner, run, { entries: ["1"] });
        const next = outcomes.succeeded("1", REMOVE_AT_ONCE) as Advance["next"];
        assert.ok((await say(world, owner, run, { from: 1, next })).accepted);
        const request = { id: run.id, afterEntries: 0, afterFact: null, limit: 10 };
        assert.equal(await world.store.readRun(request), null);
      },
    },
    {
      name: "are refused together with a settlement that they stand on",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        await say(world, owner, run, { entries: ["1"], children: [step(world)] });
        const claimed = await owner.claimOne();
        const outcome = outcomes.succeeded("1");
        const advance: Advance = {
          id: run.id,
          token: run.token,
          from: 1,
          entries: ["2"],
          after: [claimed.id],
          next: { kind: "waiting" },
        };
        const both = (token: string): ReturnType<Store["exchange"]> =>
          world.store.exchange({
            worker: owner.id,
            settlements: [{ id: claimed.id, token, outcome }],
            advances: [advance],
          });
        const refused = await both(`${claimed.token}0`);
        assert.deepEqual(refused.advanced, [{ accepted: false, why: "refused" }]);
        assert.equal((await both(claimed.token)).advanced?.[0]?.accepted, true);
        assert.deepEqual((await recordOfRun(world.store, run.id)).entries, ["1", "2"]);
      },
    },
    {
      name: "are told of what ends beside their words, whatever becomes of the words",
      needs: NEEDS,
      async run(world) {
        const nobody = step(world).id;
        const gone = { id: nobody, token: "none.1", outcome: outcomes.succeeded("1") };
        const words: readonly (readonly [boolean, Partial<Advance>])[] = [
          [true, { entries: ["2"] }],
          [true, { next: { kind: "running" } }],
          [true, { next: { kind: "parked", delayMs: null, facts: 1 } }],
          [true, { next: outcomes.succeeded("1") as Advance["next"] }],
          [false, { from: 7, entries: ["2"] }],
          [false, { token: "none.2", entries: ["2"] }],
          [false, { entries: ["2"], after: [nobody] }],
          [false, { next: outcomes.succeeded("1", REMOVE_AT_ONCE) as Advance["next"], from: 7 }],
        ];
        for (const [accepted, said] of words) {
          const { owner, run } = await beginRun(world);
          await say(world, owner, run, { entries: ["1"], children: [step(world)] });
          const { id, token } = await owner.claimOne({ offers: [offerOf("step")] });
          const outcome = outcomes.succeeded("1", REMOVE_AT_ONCE);
          const usual = { from: 1, entries: [], next: { kind: "waiting" } } as const;
          const reply = await world.store.exchange({
            worker: owner.id,
            settlements: [{ id, token, outcome }, gone],
            advances: [{ id: run.id, token: run.token, ...usual, ...said }],
          });
          assert.equal(reply.settled[0]?.accepted, true);
          assert.equal(reply.advanced?.[0]?.accepted, accepted);
          const { facts } = await recordOfRun(world.store, run.id);
          assert.deepEqual(
            facts.map(({ key }) => key),
            [id],
          );
          assertFields(endingIn(facts[0] as RunFact), { state: "succeeded", result: 1 });
        }
      },
    },
    {
      name: "cancel what they have no need of any more",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const child = step(world);
        await say(world, owner, run, { entries: ["1"], children: [child] });
        await say(world, owner, run, { from: 1, entries: ["2"], cancels: [child.id] });
        assertFields(await world.record(child.id), { state: "cancelled" });
      },
    },
    {
      name: "are asked to cancel when they have begun, in memory and out of it, and end by themselves",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        await say(world, owner, run, { entries: ["1"] });
        await world.store.cancel({ ids: [run.id], reason: "enough" });
        assertFields(await world.record(run.id), { state: "waiting" });
        await eventually(
          () => owner.cancels.some(({ id, reason }) => id === run.id && reason === "enough"),
          "the owner of a run should be told to cancel it",
        );
        const next = outcomes.cancelled() as Advance["next"];
        assert.ok((await say(world, owner, run, { from: 1, next })).accepted);
        assertFields(await world.record(run.id), { state: "cancelled" });

        const parked = await parkedRun(world, HOUR_MS);
        await world.store.cancel({ ids: [parked.run.id], reason: "enough" });
        const again = await owner.claimOne({ offers: [offerOf("flow")] });
        assert.equal(again.id, parked.run.id);
        const { cancelRequest } = await recordOfRun(world.store, parked.run.id);
        assert.equal(cancelRequest?.reason, "enough");
      },
    },
    {
      name: "end by a try that is put off once they were asked to cancel, where they have kept nothing",
      needs: NEEDS,
      async run(world) {
        for (const kind of ["running", "waiting"] as const) {
          const { owner, run } = await beginRun(world);
          await world.store.cancel({ ids: [run.id], reason: "enough" });
          await say(world, owner, run, { next: { kind } });
          assert.deepEqual(await owner.settle(outcomes.snooze(HOUR_MS), run), ["cancelled"]);
          assertFields(await world.record(run.id), { state: "cancelled", token: null });
        }
      },
    },
    {
      name: "are claimed by the call that gives them back, also when they were asked to cancel",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const child = world.job({ type: "flow" });
        const said = { entries: ["1"], next: { kind: "running" } } as const;
        await say(world, owner, run, { ...said, children: [child] });
        const inner = await owner.claimOne({ offers: [offerOf("flow")] });
        await say(world, owner, inner, said);
        for (const { id, token } of [run, inner]) {
          await world.store.cancel({ ids: [id], reason: "r" });
          const settlements = [{ id, token, outcome: outcomes.release() }];
          const { settled, claimed } = await owner.exchange(settlements, { capacity: 1 });
          assert.deepEqual(settled, [{ accepted: true, state: "ready" }]);
          assert.deepEqual(
            claimed.map((each) => each.id),
            [id],
          );
        }
      },
    },
    {
      name: "wait under their keys like any other job when they are told something out of memory",
      needs: [...NEEDS, "limits"],
      async run(world) {
        const limits = [{ name: "customer", concurrency: 1, rate: null }];
        await world.putType({ name: "flow", limits });
        const keys = [{ limit: "customer", key: "a" }];
        const [first = "", second = ""] = await world.enqueue(
          { type: "flow", keys },
          { type: "flow", keys },
        );
        const owner = await world.worker({ offers: OFFERS });
        const flows = { offers: [offerOf("flow")] };
        const run = await owner.claimOne(flows);
        const child = step(world);
        const next = { kind: "parked", delayMs: null, facts: 0 } as const;
        await say(world, owner, run, { entries: ["1"], children: [child], next });
        const other = await owner.claimOne(flows);
        assert.deepEqual([run.id, other.id].sort(), [first, second].sort());
        await world.store.cancel({ ids: [child.id], reason: "r" });
        assertFields(await world.record(run.id), { state: "ready" });
        assert.deepEqual(await owner.claim(flows), []);
        await owner.settle(outcomes.succeeded(), other);
        assert.equal((await owner.claimOne(flows)).id, run.id);
      },
    },
    {
      name: "are cancelled at once where they have not begun",
      needs: NEEDS,
      async run(world) {
        const [id = ""] = await world.enqueue({ type: "flow" });
        await world.store.cancel({ ids: [id], reason: "enough" });
        assertFields(await world.record(id), { state: "cancelled" });
      },
    },
    {
      name: "are ready again when their owner dies, however often, and their waiting is no crash",
      needs: NEEDS,
      async run(world) {
        await world.putType({ name: "flow", maxCrashes: 1 });
        const { owner, run } = await beginRun(world);
        await say(world, owner, run, { entries: ["1"] });
        await world.store.cancel({ ids: [run.id], reason: "enough" });
        await world.advance(2 * owner.leaseDurationMs);
        await world.sweep();
        assertFields(await world.record(run.id), { state: "ready", crashes: 0, entries: 1 });
        const heir = await world.worker({ offers: OFFERS });
        const again = await heir.claimOne();
        assertFields(again, { id: run.id, resumes: true });
        const late = await say(world, owner, run, { from: 1, entries: ['"late"'] });
        assert.deepEqual(late, { accepted: false, why: "stale" });
      },
    },
    {
      name: "fail by too many crashes also when they were asked to cancel, and are told as failed",
      needs: [...NEEDS, "events"],
      async run(world) {
        for (const failed of [REMOVE_AT_ONCE, { ageMs: HOUR_MS, count: 9 }]) {
          const retention = { ...DEFAULT_STORE_POLICY.retention, failed };
          await world.putType({ name: "flow", maxCrashes: 1, retention });
          const { owner, run } = await beginRun(world);
          await say(world, owner, run, { entries: ["1"], next: { kind: "running" } });
          await world.store.cancel({ ids: [run.id], reason: "enough" });
          const { take, close } = await world.follow({ id: run.id });
          await world.advance(2 * owner.leaseDurationMs);
          const { takenBack, crashed, cancelled } = await world.sweep();
          const expected = { takenBack: 1, crashed: 1, cancelled: 0 };
          assert.deepEqual({ takenBack, crashed, cancelled }, expected);
          const [event] = await take(1);
          assert.ok(event?.kind === "failed", `told as ${event?.kind}`);
          assert.equal(event.error.code, "JOB_CRASHED");
          await close();
        }
      },
    },
    {
      name: "are given back when their owner leaves",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        await say(world, owner, run, { entries: ["1"] });
        await owner.attachment.close();
        assertFields(await world.record(run.id), { state: "ready", entries: 1 });
      },
    },
    {
      name: "do not expire once they have begun",
      needs: NEEDS,
      async run(world) {
        await world.enqueue({ type: "flow", expireAfterMs: MINUTE_MS });
        const owner = await world.worker({ offers: OFFERS });
        const run = await owner.claimOne();
        const next = { kind: "parked", delayMs: 5 * MINUTE_MS, facts: 0 } as const;
        await say(world, owner, run, { entries: ["1"], next });
        await world.advance(10 * MINUTE_MS);
        await world.sweep();
        assert.equal((await owner.claimOne()).id, run.id);
      },
    },
    {
      name: "go on from where they failed when they are retried by hand, with their record",
      needs: NEEDS,
      async run(world) {
        const { owner, run } = await beginRun(world);
        const next = outcomes.failed() as Advance["next"];
        await say(world, owner, run, { entries: ["1"], next });
        await world.store.retry({ ids: [run.id] });
        assertFields(await owner.claimOne(), { id: run.id, resumes: true });
        assert.deepEqual((await recordOfRun(world.store, run.id)).entries, ["1"]);
      },
    },
  ],
};
