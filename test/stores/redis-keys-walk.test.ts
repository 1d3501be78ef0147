// What Redis keeps of jobs with keys, looked at after each step of random walks: nothing waits twice, or where nobody looks.
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { afterAll, expect, inject, test } from "vitest";
import type { ClaimedJob, JobId, NewJob, SettleOutcome } from "../../src/core/index.ts";
import { type StoreWorker, outcomes } from "../../src/testing/conformance/worker.ts";
import { MINUTE_MS, type World, withWorld } from "../../src/testing/conformance/world.ts";
import { onRedis } from "./redis-harness.ts";

const harness = onRedis();
const server = new Redis(inject("redisUrl"));
afterAll(() => server.disconnect());

const JOB_BYTES = 22;
const LIMITS: readonly string[] = ["a", "customer", "z9"];
const KEYS: readonly string[] = ["k", "1", "ü😀", "L".repeat(120), "0zz"];

/** Numbers below a bound that a seed decides. */
function picksOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

/** What a command gives, byte for byte. */
async function read(world: World, name: string, ...command: readonly string[]): Promise<string[]> {
  const [verb = "", ...rest] = command;
  const key = `{mr1|${world.namespace}|mail|0}${name}`;
  const values = (await server.callBuffer(verb, key, ...rest)) as readonly Buffer[];
  return values.map((value) => value.toString("latin1"));
}
async function readHash(world: World, name: string): Promise<Map<string, string>> {
  const values = await read(world, name, "HGETALL");
  const pairs = values.map((value, at): [string, string] => [value, values[at + 1] ?? ""]);
  return new Map(pairs.filter((_, at) => at % 2 === 0));
}
const readSet = (world: World, name: string): Promise<string[]> =>
  read(world, name, "ZRANGE", "0", "-1");

/** In the order of their bytes. */
function sorted<Value>(values: Iterable<Value>): Value[] {
  return [...values].sort((a, b) => (String(a) < String(b) ? -1 : 1));
}
const countIn = (text: string): number => Buffer.from(text, "latin1").readUInt32BE(0);
const bytesOf = (id: JobId): string =>
  Buffer.from(id.replaceAll("-", ""), "hex").toString("latin1");
/** The gates in a text of keys: a name and a key each. */
function gatesIn(keys: string): string[] {
  const parts = keys.split("\u0001");
  return parts.flatMap((name, at) =>
    at % 2 === 0 && at + 1 < parts.length ? `${name}\u0001${parts[at + 1]}` : [],
  );
}
const add = (counts: Map<string, number>, name: string, more = 1): unknown =>
  counts.set(name, (counts.get(name) ?? 0) + more);

interface Row {
  readonly turn: string;
  readonly hasMore: boolean;
  readonly gate: string;
  readonly jobs: readonly string[];
}

function rowOf(text: string): Row {
  const end = text.indexOf("\0", 7);
  const jobs: string[] = [];
  for (let at = text.length - JOB_BYTES; at > end; at -= JOB_BYTES) {
    jobs.push(text.slice(at, at + JOB_BYTES));
  }
  const hasMore = text.charCodeAt(6) % 2 === 1;
  return { turn: text.slice(0, 6), hasMore, gate: text.slice(7, end), jobs };
}

/** Checks what waits: each job at one place, in order, in a group that is in the ring or parked, and counted. */
async function checkRows(world: World, ids: readonly JobId[]): Promise<Map<string, Row>> {
  const kept = await readHash(world, "g");
  const rows = new Map<string, Row>();
  const [seen, counts] = [new Map<string, number>(), new Map([["w", 0]])];
  for (const [field, text] of kept) {
    if (!field.startsWith("r")) continue;
    const row = rowOf(text);
    rows.set(field.slice(1), row);
    assert.deepEqual(sorted(row.jobs), row.jobs, "a row is in order");
    for (const job of row.jobs) add(seen, job.slice(6));
    for (const name of ["w", `w${field.slice(1, 3)}`]) add(counts, name, row.jobs.length);
  }
  for (const [name, count] of counts) assert.equal(Number(kept.get(name) ?? 0), count, "count");
  for (const member of (await readSet(world, "k")).slice(1)) {
    const row = rows.get(member.slice(0, -JOB_BYTES - 1));
    assert.ok(row?.hasMore, "a row says that jobs wait behind it");
    assert.ok((row.jobs.at(-1) ?? "") < member.slice(-JOB_BYTES), "jobs of a row come first");
    add(seen, member.slice(-16));
  }
  for (const member of (await readSet(world, "t")).slice(1)) add(seen, member.slice(8));
  const records = await world.store.get({ ids });
  const isWaiting = records.filter(
    (each) => each?.state === "ready" || each?.state === "scheduled",
  );
  const expected = isWaiting.map((each) => [bytesOf(each?.id ?? ""), 1] as const);
  assert.deepEqual(sorted(seen), sorted(expected), "each job that waits is at one place");
  const ready = records.filter((each) => each?.state === "ready").length;
  assert.equal((await world.store.queues())[0]?.counts.ready ?? 0, ready);
  return rows;
}

/** Checks turns: a group stands at one place, and where a gate has room one that stands before it is in the ring. */
async function checkTurns(
  world: World,
  rows: ReadonlyMap<string, Row>,
  bounds: ReadonlyMap<string, number>,
): Promise<void> {
  const [gates, running] = [await readHash(world, "g"), await readHash(world, "r")];
  const counts = new Map<string, number>();
  for (const run of running.values()) {
    const mark = run.slice(9).split("\0").slice(2).join("\0");
    for (const gate of gatesIn(mark.slice(1))) add(counts, gate);
  }
  const kept = [...gates].filter(([field]) => field.startsWith("g"));
  const counted = kept.map(([field, text]) => [field.slice(1), countIn(text)] as const);
  assert.deepEqual(
    sorted(counted.filter(([, count]) => count > 0)),
    sorted(counts),
    "gates count what runs",
  );
  const expected = [...rows].map(([name, { gate, turn }]) => {
    const member = name.slice(0, 2) + turn + name.slice(2);
    return gate === "" ? `R${member}` : `P${gate}\0${member}`;
  });
  const turns = (await readSet(world, "q")).filter((member) => /^[PR]/.test(member));
  assert.deepEqual(sorted(turns), sorted(expected), "each group is in the ring, or parked");
  const ring = [...rows].filter(([, { gate }]) => gate === "");
  for (const [name, { gate }] of rows) {
    const most = bounds.get(gate.split("\u0001")[0] ?? "") ?? 0;
    if (gate === "" || (counts.get(gate) ?? 0) >= most) continue;
    const isNamed = ring.some(
      ([each]) => each.slice(0, 2) === name.slice(0, 2) && gatesIn(each.slice(2)).includes(gate),
    );
    assert.ok(isNamed, "where a gate has room, one that stands before it is in the ring");
  }
}

/** Gives the groups that are left when all was worked off. */
async function walk(world: World, seed: number): Promise<Map<string, Row>> {
  const pick = picksOf(seed);
  // Few keys make rows that are full, several of a job make groups that wait at one gate for another.
  const [keyCount, severalIn] = [1 + pick(KEYS.length), 2 + 8 * pick(2)];
  const bounds = new Map<string, number>();
  await world.putType({ limits: LIMITS.map((name) => ({ name, concurrency: 2, rate: null })) });
  const change = async (name: string, concurrency: number): Promise<void> => {
    const limits = [{ name, bounds: { concurrency, rate: null } }];
    await world.store.setLimits({ queue: "mail", limits, by: "ops" });
    bounds.set(name, concurrency);
  };
  for (const name of LIMITS) await change(name, 1 + pick(3));
  const ids: JobId[] = [];
  let held: { readonly job: ClaimedJob; readonly by: StoreWorker }[] = [];
  const workers = [await world.worker(), await world.worker()];
  const newJob = (): NewJob => {
    const limits = LIMITS.filter(() => pick(severalIn) === 0);
    const named = limits.length > 0 ? limits : ["customer"];
    const keys = named.map((limit) => ({ limit, key: KEYS[pick(keyCount)] ?? "" }));
    return world.job({ keys, delayMs: pick(5) === 0 ? MINUTE_MS : 0 });
  };
  const some = (): JobId[] => ids.filter(() => pick(10) === 0);
  const outcome = (): SettleOutcome =>
    [outcomes.retry(0), outcomes.release(), outcomes.snooze(MINUTE_MS)][pick(9)] ??
    outcomes.succeeded();
  const work = async (capacity: number, isOver: () => boolean, end = outcome): Promise<void> => {
    const by = workers[pick(2)] ?? assert.fail();
    const over = held.filter((each) => each.by === by && isOver());
    held = held.filter((each) => !over.includes(each));
    const ends = over.map(({ job: { id, token } }) => ({ id, token, outcome: end() }));
    const { claimed } = await by.exchange(ends, { capacity });
    held.push(...claimed.map((job) => ({ job, by })));
  };
  const steps: readonly (() => Promise<unknown>)[] = [
    async () => {
      const jobs = Array.from({ length: 1 + pick(30) }, newJob);
      ids.push(...jobs.map(({ id }) => id));
      await world.store.enqueue({ jobs: pick(2) === 0 ? jobs : jobs.toReversed() });
    },
    () => work(1 + pick(20), () => pick(2) === 0),
    () => work(1 + pick(4), () => pick(2) === 0),
    () => world.store.cancel({ ids: some(), reason: "no longer wanted" }),
    () => world.store.retry({ ids: some() }),
    () =>
      world.store.change({ ids: some(), order: { kind: "reschedule", delayMs: pick(2) * 60_000 } }),
    () => change(LIMITS[pick(LIMITS.length)] ?? "", pick(4)),
    () => world.advance(pick(2) * MINUTE_MS),
    () => world.sweep(),
  ];
  for (let at = 0; at < 80; at += 1) {
    await steps[pick(steps.length)]?.();
    await checkTurns(world, await checkRows(world, ids), bounds);
  }
  for (const name of LIMITS) await change(name, 1);
  await world.advance(MINUTE_MS);
  for (let round = 0; round < 1_000 && (round < 10 || held.length > 0); round += 1) {
    await work(10, () => true, outcomes.succeeded);
  }
  return checkRows(world, ids);
}

test.each([{ seed: 1 }, { seed: 2 }, { seed: 3 }, { seed: 4 }, { seed: 5 }])(
  "whatever is done to jobs with keys, each waits at one place where a claim finds it (seed $seed)",
  async ({ seed }) => {
    await withWorld(harness, {
      run: async (world) => {
        expect((await walk(world, seed)).size).toBe(0);
      },
    });
  },
);
