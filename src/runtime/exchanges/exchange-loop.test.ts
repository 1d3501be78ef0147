// The exchanges of a worker: what is settled and claimed beside each other. On the store in memory.
import { describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { Store } from "../../core/store.ts";
import { type Bench, SLOTS, openLoop } from "./exchange-loop.fixture.ts";

/** Ends what runs, as soon as it does, until so many were answered. */
async function workThrough(bench: Bench, count: number): Promise<void> {
  await expect
    .poll(
      () => {
        if (bench.running.length > 0) bench.end();
        return bench.answers.length;
      },
      { interval: 0, timeout: 20_000 },
    )
    .toBeGreaterThanOrEqual(count);
}

async function countRunning(store: Store): Promise<number> {
  const [queue] = await store.queues();
  return queue?.counts.running ?? 0;
}

/** Works until jobs are held that no slot is free for: those that run are left to run. */
async function untilHeld(bench: Bench): Promise<void> {
  await expect
    .poll(
      async () => {
        if ((await countRunning(bench.store)) > SLOTS) return true;
        if (bench.running.length === SLOTS) bench.end();
        return false;
      },
      { interval: 0, timeout: 20_000 },
    )
    .toBe(true);
}

describe("a worker whose jobs end fast", () => {
  test("begins no more than it has slots before the store has answered for the others", async () => {
    let settled = 0;
    let most = 0;
    const bench = await openLoop({
      jobs: 1_000,
      meddle: async (_, pass) => {
        most = Math.max(most, bench.begun.length - settled);
        const reply = await pass();
        settled += reply.settled.length;
        return reply;
      },
    });
    bench.loop.start();
    await workThrough(bench, 1_000);
    expect(most).toBeLessThanOrEqual(SLOTS);
    expect(bench.answers.every((answer) => answer === "succeeded")).toBe(true);
    expect(new Set(bench.begun.map(({ id }) => id)).size).toBe(1_000);
  });

  test("claims what comes next while it settles, and settles what ended without waiting for it", async () => {
    let [settling, claimedBeside] = [false, 0];
    const bench = await openLoop({
      jobs: 1_000,
      meddle: async ({ claim, settlements }, pass) => {
        if (claim !== undefined && settling) claimedBeside += 1;
        if (settlements.length === 0) return pass();
        settling = true;
        const reply = await pass();
        // A reply takes its time.
        await new Promise(setImmediate);
        settling = false;
        return reply;
      },
    });
    bench.loop.start();
    await workThrough(bench, 1_000);
    expect(claimedBeside).toBeGreaterThan(10);
  });

  test("asks again and again for types that it does not claim ahead", async () => {
    let [ofOthers, inARow, most] = [0, 0, 0];
    const bench = await openLoop({
      jobs: 1_000,
      meddle: ({ claim }, pass) => {
        if (claim !== undefined) {
          const isWhole = claim.offers.some(({ type }) => type === "rare");
          ofOthers += isWhole ? 1 : 0;
          inARow = isWhole ? 0 : inARow + 1;
          most = Math.max(most, inARow);
        }
        // A call takes its time.
        bench.advance(5);
        return pass();
      },
    });
    const limits = [{ concurrency: 1 }];
    bench.slots.serve(defineJob({ name: "rare", limits, run: () => null }));
    bench.loop.start();
    await workThrough(bench, 1_000);
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThan(20);
    expect(ofOthers).toBeGreaterThan(2);
  });

  test("has one claim under way at a time, and never two whose tokens meet", async () => {
    let claims = 0;
    let mostClaims = 0;
    let ahead = 0;
    const tokens: string[] = [];
    let calls = 0;
    const bench = await openLoop({
      jobs: 1_000,
      meddle: async ({ claim, settlements }, pass) => {
        calls += 1;
        // One in ten fails before it gets to the store.
        if (calls % 10 === 0) throw new Error("the store is away");
        if (claim === undefined) return pass();
        claims += 1;
        mostClaims = Math.max(mostClaims, claims);
        if (settlements.length === 0 && bench.begun.length > 0) ahead += 1;
        const reply = await pass();
        claims -= 1;
        tokens.push(...reply.claimed.map(({ token }) => token));
        return reply;
      },
    });
    bench.loop.start();
    await workThrough(bench, 1_000);
    expect(mostClaims).toBe(1);
    expect(ahead).toBeGreaterThan(0);
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  test("settles each job once although replies are lost while a claim is under way", async () => {
    let lost = 0;
    const bench = await openLoop({
      jobs: 300,
      meddle: async ({ claim }, pass) => {
        const reply = await pass();
        if (claim !== undefined || lost === 3) return reply;
        lost += 1;
        throw new Error("the reply was lost");
      },
    });
    bench.loop.start();
    await workThrough(bench, 300);
    // What had been settled is gone when it is said again.
    expect(lost).toBe(3);
    expect(new Set(bench.answers)).toEqual(new Set(["succeeded", "gone"]));
    expect(await countRunning(bench.store)).toBe(0);
  });
});

test("a worker says that it is young for a lease's time, and asks again when it is no more", async () => {
  const ages: boolean[] = [];
  const bench = await openLoop({
    jobs: 0,
    leaseDurationMs: 50,
    meddle: async ({ claim }, pass) => {
      if (claim !== undefined) ages.push(claim.isYoung === true);
      return pass();
    },
  });
  bench.loop.start();
  await expect.poll(() => ages).toEqual([true]);
  bench.advance(50);
  // Nothing wakes it but the time.
  await expect.poll(() => ages).toEqual([true, false]);
});

describe("jobs claimed ahead", () => {
  test("are given back when no slot comes free for them", async () => {
    const bench = await openLoop({ jobs: 1_000 });
    bench.loop.start();
    await untilHeld(bench);
    const begun = bench.begun.length;
    bench.advance(100);
    await expect.poll(() => countRunning(bench.store)).toBe(SLOTS);
    expect(bench.begun.length).toBe(begun);
    expect(bench.running.length).toBe(SLOTS);
  });

  test("are given back when their type is withdrawn", async () => {
    const bench = await openLoop({ jobs: 1_000 });
    bench.loop.start();
    await untilHeld(bench);
    bench.slots.withdraw("work");
    bench.loop.giveBackHeld("work");
    await expect.poll(() => countRunning(bench.store)).toBe(SLOTS);
  });

  test("are given back by a worker that stops", async () => {
    const bench = await openLoop({ jobs: 1_000 });
    bench.loop.start();
    await untilHeld(bench);
    bench.slots.clear();
    await bench.loop.stop();
    expect(await countRunning(bench.store)).toBe(SLOTS);
  });

  test("are cancelled without having begun", async () => {
    const bench = await openLoop({ jobs: 1_000 });
    bench.loop.start();
    await untilHeld(bench);
    const known = new Set(bench.begun.map(({ id }) => id));
    const { jobs } = await bench.store.list({ filter: { states: ["running"] }, limit: 100 });
    const held = jobs.find(({ id }) => !known.has(id))?.id ?? "";
    await bench.store.cancel({ ids: [held], reason: "not wanted" });
    expect(bench.loop.cancelHeld(held)).toBe(true);
    await expect
      .poll(async () => (await bench.store.get({ ids: [held] }))[0]?.state)
      .toBe("cancelled");
  });

  test("are forgotten with a lost lease, and so is what was claimed under it", async () => {
    const bench = await openLoop({ jobs: 1_000 });
    bench.loop.start();
    await untilHeld(bench);
    const begun = bench.begun.length;
    bench.lose();
    bench.end();
    await expect.poll(() => bench.answers.length).toBeGreaterThanOrEqual(begun);
    expect(bench.begun.length).toBe(begun);
  });

  test.each([
    ["a limit", { limits: [{ concurrency: 500 }] }],
    ["a rate", { limits: [{ rate: { limit: 10_000, per: "1s" } }] }],
  ])("are of a type with %s too, where that leaves room", async (_, type) => {
    const bench = await openLoop({ jobs: 1_000, type });
    bench.loop.start();
    await untilHeld(bench);
    expect(await countRunning(bench.store)).toBeGreaterThan(SLOTS);
  });

  test("are given back when a handler pushes back", async () => {
    const bench = await openLoop({ jobs: 1_000, type: { limits: [{ concurrency: 500 }] } });
    bench.loop.start();
    await untilHeld(bench);
    bench.end(1, {
      kind: "snooze",
      delayMs: 60_000,
      pushBack: { limit: "queue", delayMs: 60_000 },
    });
    await expect.poll(async () => countRunning(bench.store)).toBe(SLOTS - 1);
  });

  test("are not of a type with a concurrency of its own", async () => {
    const type = { concurrency: SLOTS };
    const bench = await openLoop({ jobs: 400, type });
    let most = 0;
    bench.loop.start();
    await expect
      .poll(
        async () => {
          most = Math.max(most, await countRunning(bench.store));
          if (bench.running.length > 0) bench.end();
          return bench.answers.length;
        },
        { interval: 0, timeout: 20_000 },
      )
      .toBe(400);
    expect(most).toBeLessThanOrEqual(SLOTS);
  });
});
