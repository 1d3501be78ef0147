// Runs that end by plain words together: their rows go in as few commands as may be, and those of no other with them.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClaimedJob } from "../../src/core/store.ts";
import { recordOfRun } from "../../src/testing/conformance/run-cases.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import { DONE, OFFERS, type Word, beginRuns, say } from "./plain-words-said.ts";
import { inRedisWorld } from "./redis-world.ts";
import { rowsLeft } from "./scripts-called.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

function end(run: ClaimedJob | undefined, from: number): Word {
  return { run: run as ClaimedJob, from, next: DONE };
}

/** Commands so far that removed rows of runs. */
async function removals(): Promise<number> {
  const stats = await server.client.info("commandstats");
  return Number(/zremrangebylex:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

test("runs that end together take nothing of the runs between them", async () => {
  await inRedisWorld({ url: server.url }, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const runs = await beginRuns(world, owner, 6);
    expect(runs).toHaveLength(6);
    await say(
      world,
      owner,
      runs.map((run, index) => ({ run, from: 0, entries: index % 2 === 0 ? ['"a"', '"b"'] : [] })),
    );
    const [first, , third, , fifth, sixth] = runs as readonly ClaimedJob[] & { length: 6 };
    const signal = { run: fifth?.id ?? "", id: world.job({ type: "flow" }).id };
    await world.store.signal({ signals: [{ ...signal, name: "go", payload: "1" }] });
    // Not the second, nor the fourth; the fifth and the sixth follow each other, and one was told something.
    await say(world, owner, [end(first, 2), end(third, 2)]);
    await say(world, owner, [end(fifth, 2), end(sixth, 0)]);
    for (const run of [runs[1], runs[3]]) {
      await say(world, owner, [{ run: run as ClaimedJob, from: 0 }]);
      expect((await recordOfRun(world.store, run?.id ?? "")).entries).toEqual(['"0"']);
    }
    await say(world, owner, [end(runs[1], 1), end(runs[3], 1)]);
    expect(await rowsLeft(server, world.namespace, "flow")).toEqual([]);
  });
});

test("runs that follow each other end in one command, and those that do not in one each", async () => {
  await inRedisWorld({ url: server.url }, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const runs = await beginRuns(world, owner, 8);
    await say(
      world,
      owner,
      runs.map((run) => ({ run, from: 0 })),
    );
    const before = await removals();
    await say(
      world,
      owner,
      runs.slice(0, 4).map((run) => end(run, 1)),
    );
    expect((await removals()) - before).toBe(1);
    await say(
      world,
      owner,
      [7, 5, 4, 6].map((index) => end(runs[index], 1)),
    );
    expect((await removals()) - before).toBe(5);
    expect(await rowsLeft(server, world.namespace, "flow")).toEqual([]);
  });
});

test("a run that was only told something leaves nothing where one that heard nothing ends before the next", async () => {
  await inRedisWorld({ url: server.url }, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const [first, second, third] = await beginRuns(world, owner, 3);
    const signals = [third, second].map((run) => ({
      run: run?.id ?? "",
      id: world.job({ type: "flow" }).id,
      name: "go",
      payload: "1",
    }));
    await world.store.signal({ signals });
    await say(world, owner, [end(third, 0), end(first, 0), end(second, 0)]);
    expect(await rowsLeft(server, world.namespace, "flow")).toEqual([]);
  });
});
