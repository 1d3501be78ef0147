// Children that their run's owner runs already when the store hears of them: they are its own, whatever stands in the way.
import assert from "node:assert/strict";
import type { LimitBounds } from "../../core/flow.ts";
import type { ChildJob } from "../../core/run.ts";
import type { ClaimedJob } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { NEEDS, OFFERS, beginRun, endingIn, recordOfRun, say, step } from "./run-cases.ts";
import { type StoreWorker, REMOVE_AT_ONCE, offerOf, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, type World, assertFields } from "./world.ts";

const LIMITED: readonly ["workflows", "limits"] = ["workflows", "limits"];
const STEPS = { offers: [offerOf("step")] } as const;

function begun(world: World, token: string, options: Partial<ChildJob> = {}): ChildJob {
  return step(world, { token, isBegun: true, ...options });
}

/** A claim as its owner makes it of a child that it was told is its own. */
function claimOf({ id, type, queue, input, token = "" }: ChildJob): ClaimedJob {
  const times = { enqueuedAtMs: 0, dueAtMs: 0, startedAtMs: 0 };
  return { id, type, queue, input, token, attempt: 1, crashes: 0, tags: [], ...times };
}

/** Says children in a run's first word, or a later one, and checks that all of them are its owner's. */
async function sayBegun(
  world: World,
  { owner, run }: { readonly owner: StoreWorker; readonly run: ClaimedJob },
  children: readonly ChildJob[],
  from = 0,
): Promise<void> {
  const reply = await say(world, owner, run, { from, entries: [String(from)], children });
  assert.deepEqual(
    reply.accepted && reply.claimed,
    children.map(({ id }) => id),
  );
  for (const { id, token = "" } of children) {
    assertFields(await world.record(id), { state: "running", token, worker: owner.id });
  }
}

async function limitSteps(world: World, bounds: Partial<LimitBounds>): Promise<void> {
  const limit = { name: "queue", concurrency: null, rate: null, ...bounds };
  await world.putType({ name: "step", limits: [limit] });
}

async function runningSteps({ store }: World): Promise<number | undefined> {
  const records = await store.limits({ queue: "step" });
  return records.find(({ name }) => name === "queue")?.running;
}

const inTheWay: Topic["cases"] = [
  {
    name: "though their queue is paused, and stay so when it is resumed",
    needs: NEEDS,
    async run(world) {
      const begins = await beginRun(world);
      await world.store.setPaused({ queue: "step", paused: true, by: "ops", reason: "r" });
      const child = begun(world, "mine.1");
      await sayBegun(world, begins, [child]);
      await world.store.setPaused({ queue: "step", paused: false, by: "ops", reason: "" });
      assert.deepEqual(await begins.owner.claim(), []);
      await begins.owner.settle(outcomes.succeeded('"done"'), claimOf(child));
      assertFields(await world.record(child.id), { state: "succeeded", result: '"done"' });
    },
  },
  {
    name: "though others of their lane wait, which come in their turn",
    needs: NEEDS,
    isAboutOrder: true,
    async run(world) {
      const begins = await beginRun(world);
      const waiting = await world.enqueueMany(2, { type: "step" });
      const mine = begun(world, "mine.1");
      const other = step(world, { token: "mine.2" });
      const children = [other, mine];
      const reply = await say(world, begins.owner, begins.run, { entries: ["1"], children });
      assert.deepEqual(reply.accepted && reply.claimed, [mine.id]);
      const claimed = await begins.owner.claim();
      assert.deepEqual(claimed.map(({ id }) => id).sort(), [...waiting, other.id].sort());
    },
  },
  {
    name: "though their owner runs what is suspected of killing its workers",
    needs: NEEDS,
    async run(world) {
      await world.enqueueMany(2);
      for (let deaths = 0; deaths < 2; deaths += 1) {
        const dies = await world.worker({ leaseDurationMs: HOUR_MS });
        assert.equal((await dies.claim()).length, 2);
        await world.advance(2 * HOUR_MS);
        await world.sweep();
      }
      const begins = await beginRun(world);
      await say(world, begins.owner, begins.run, { entries: ["0"] });
      // A store may have to look twice before it knows of them.
      let suspects = 0;
      for (let looks = 0; suspects === 0 && looks < 10; looks += 1) {
        suspects = (await begins.owner.claim({ offers: [offerOf("mail")] })).length;
      }
      assert.equal(suspects, 1);
      await sayBegun(world, begins, [begun(world, "mine.1")], 1);
    },
  },
  {
    name: "with tags, terms and a retention of their own",
    needs: NEEDS,
    async run(world) {
      const begins = await beginRun(world);
      const retention = {
        succeeded: REMOVE_AT_ONCE,
        failed: REMOVE_AT_ONCE,
        cancelled: REMOVE_AT_ONCE,
      };
      const own = { tags: ["x"], terms: '{"timeoutMs":1000}', retention };
      const [kept, removed] = [begun(world, "mine.1", own), begun(world, "mine.2", own)];
      await sayBegun(world, begins, [kept, removed, begun(world, "mine.3")]);
      assertFields(await world.record(kept.id), { tags: ["x"], terms: own.terms });
      const { owner, run } = begins;
      await owner.settle(outcomes.retry(), claimOf(kept));
      const tagged = await world.store.list({ filter: { tag: "x" }, limit: 10 });
      assert.deepEqual(
        new Map(tagged.jobs.map(({ id, state }) => [id, state])),
        new Map([
          [removed.id, "running"],
          [kept.id, "ready"],
        ]),
      );
      await owner.settle(outcomes.succeeded("2", REMOVE_AT_ONCE), claimOf(removed));
      const again = await owner.claimOne(STEPS);
      assertFields(again, { id: kept.id, tags: ["x"], terms: own.terms, attempt: 2, retention });
      await owner.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), again);
      const left = await world.store.list({ filter: { tag: "x" }, limit: 10 });
      assert.deepEqual(left.jobs, []);
      assert.equal((await recordOfRun(world.store, run.id)).facts.length, 2);
    },
  },
];

const underLimits: Topic["cases"] = [
  {
    name: "though the limit of their queue is reached: it counts them, and their ends free what they took",
    needs: LIMITED,
    async run(world) {
      await limitSteps(world, { concurrency: 1 });
      const begins = await beginRun(world);
      const { owner } = begins;
      await world.enqueueMany(3, { type: "step" });
      const first = await owner.claimOne({ ...STEPS, capacity: 10 });
      const children = [begun(world, "mine.1"), begun(world, "mine.2"), begun(world, "mine.3")];
      await sayBegun(world, begins, children);
      assert.equal(await runningSteps(world), 4);
      const [one, two, three] = children.map(claimOf);
      assert.ok(one && two && three);
      await owner.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), one);
      await owner.settle(outcomes.failed(), two);
      await owner.trySettle(outcomes.succeeded(), one, two);
      assert.equal(await runningSteps(world), 2);
      await owner.settle(outcomes.release(), three);
      assert.equal(await runningSteps(world), 1);
      assert.deepEqual(await owner.claim(STEPS), []);
      await owner.settle(outcomes.succeeded(), first);
      assert.equal(await runningSteps(world), 0);
      for (let left = 3; left > 0; left -= 1) {
        const [claimed, ...others] = await owner.claim(STEPS);
        assert.ok(claimed !== undefined && others.length === 0);
        assert.equal(await runningSteps(world), 1);
        await owner.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), claimed);
      }
      assert.equal(await runningSteps(world), 0);
    },
  },
  {
    name: "though their queue's rate is used up: it counts them",
    needs: LIMITED,
    async run(world) {
      await limitSteps(world, { rate: { limit: 2, perMs: HOUR_MS } });
      const begins = await beginRun(world);
      const { owner } = begins;
      await world.enqueueMany(5, { type: "step" });
      assert.equal((await owner.claim(STEPS)).length, 2);
      await world.advance(30 * MINUTE_MS);
      await sayBegun(world, begins, [begun(world, "mine.1")]);
      await world.advance(31 * MINUTE_MS);
      // The first two are out of the window, and the third is not.
      assert.equal((await owner.claim(STEPS)).length, 1);
      assert.deepEqual(await owner.claim(STEPS), []);
    },
  },
  {
    name: "though a handler pushed their queue back",
    needs: LIMITED,
    async run(world) {
      await limitSteps(world, {});
      const begins = await beginRun(world);
      await world.enqueue({ type: "step" });
      const { id, token } = await begins.owner.claimOne(STEPS);
      const pushBack = { limit: "queue", delayMs: HOUR_MS };
      const outcome = { kind: "snooze", delayMs: 0, pushBack } as const;
      await begins.owner.exchange([{ id, token, outcome }]);
      assert.deepEqual(await begins.owner.claim(STEPS), []);
      await sayBegun(world, begins, [begun(world, "mine.1")]);
    },
  },
];

const life: Topic["cases"] = [
  {
    name: "again where the answer was lost, with the same token, but none that was known before or ended",
    needs: NEEDS,
    async run(world) {
      const { owner, run } = await beginRun(world);
      const [known = ""] = await world.enqueue({ type: "step" });
      const children = [begun(world, "mine.1"), begun(world, "mine.2")];
      const all = [...children, begun(world, "mine.3", { id: known })];
      for (let times = 0; times < 3; times += 1) {
        const reply = await say(world, owner, run, { entries: ["1"], children: all });
        assert.deepEqual(
          reply.accepted && reply.claimed,
          children.map(({ id }) => id),
        );
      }
      assertFields(await world.record(known), { state: "ready", token: null });
      const [one, two] = children.map(claimOf);
      assert.ok(one && two);
      await owner.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), one);
      const late = await say(world, owner, run, { entries: ["1"], children: all });
      assert.deepEqual(late.accepted && late.claimed, [two.id]);
      assert.deepEqual(await world.store.get({ ids: [one.id] }), [null]);
    },
  },
  {
    name: "and settled as any other: retried, they come back; ended, their run is told",
    needs: NEEDS,
    async run(world) {
      const begins = await beginRun(world);
      const { owner, run } = begins;
      const child = begun(world, "mine.1", { input: '{"n":1}' });
      await sayBegun(world, begins, [child]);
      await owner.settle(outcomes.retry(MINUTE_MS), claimOf(child));
      assertFields(await world.record(child.id), { state: "scheduled", attempts: 1, token: null });
      await world.advance(2 * MINUTE_MS);
      const again = await owner.claimOne(STEPS);
      assertFields(again, { id: child.id, attempt: 2, input: '{"n":1}', parent: run.id });
      await owner.settle(outcomes.succeeded('"done"'), again);
      const { facts } = await recordOfRun(world.store, run.id);
      assert.equal(facts.length, 1);
      assertFields(facts[0] === undefined ? {} : endingIn(facts[0]), {
        state: "succeeded",
        result: "done",
        attempts: 2,
      });
    },
  },
  {
    name: "and taken back when their owner dies",
    needs: NEEDS,
    async run(world) {
      const { owner: first, run: one } = await beginRun(world);
      const child = begun(world, "mine.1");
      await sayBegun(world, { owner: first, run: one }, [child]);
      await world.advance(2 * first.leaseDurationMs);
      await world.sweep();
      assertFields(await world.record(child.id), { state: "ready", token: null });
      const heir = await world.worker({ offers: OFFERS });
      assert.equal((await heir.claimOne(STEPS)).id, child.id);
      const [late] = await first.trySettle(outcomes.succeeded(), claimOf(child));
      assert.deepEqual(late, { accepted: false, why: "stale" });
    },
  },
  {
    name: "and followers hear that they came and began",
    needs: [...NEEDS, "events"],
    async run(world) {
      const begins = await beginRun(world);
      const followed = await world.follow({ type: "step" });
      const child = begun(world, "mine.1");
      await sayBegun(world, begins, [child]);
      const events = await followed.take(2);
      assert.deepEqual(
        events.map(({ id, kind }) => ({ id, kind })),
        [
          { id: child.id, kind: "enqueued" },
          { id: child.id, kind: "started" },
        ],
      );
    },
  },
  {
    name: "never without a token: such words are refused",
    needs: NEEDS,
    async run(world) {
      const { owner, run } = await beginRun(world);
      const children = [step(world, { isBegun: true })];
      await assert.rejects(say(world, owner, run, { entries: ["1"], children }), {
        code: "INVALID_ARGUMENT",
      });
    },
  },
];

export const begunTopic: Topic = {
  name: "children that their run's owner runs already are its own",
  cases: [...inTheWay, ...underLimits, ...life],
};
