// S1: schedulers are killed over and over while ticks come every second.
import { join } from "node:path";
import {
  type JobType,
  type Millrace,
  type ScheduleOperations,
  createSchedules,
  defineJob,
  openRuntime,
  silentLogger,
  tickJobId,
} from "millrace";
import { openSqliteStore } from "../../../src/stores/sqlite/index.ts";
import { type Chaos, EffectLog, Program, type Scenario, readEffects } from "../harness/index.ts";

const PROGRAM = new URL("../programs/scheduler.ts", import.meta.url);
const SECOND_MS = 1_000;
const SCHEDULERS = 3;
/** Longest life of a scheduler: some time to get to work, and often less than that. */
const LONGEST_LIFE_MS = 2_500;

interface Size {
  readonly schedules: number;
  readonly ticks: number;
  readonly kills: number;
}

const LONG: Size = { schedules: 40, ticks: 10_000, kills: 200 };
const SHORT: Size = { schedules: 15, ticks: 60, kills: 4 };

async function run(chaos: Chaos): Promise<void> {
  const size = chaos.isShort ? SHORT : LONG;
  const path = join(chaos.directory, "jobs.db");
  const store = chaos.use(asDisposable(await openSqliteStore({ path, namespace: "default" })));
  const log = chaos.use(new EffectLog(chaos.directory));
  const type = defineJob({
    name: "tick",
    concurrency: 100,
    // Gone once it ran: an id that is enqueued a second time would run a second time.
    retention: { succeeded: "remove" },
    run: ({ job }) => {
      const { id, attempt, token } = job;
      log.effect({ kind: "effect", id, number: 0, attempt, token });
    },
  });
  // A worker without a scheduler of its own: only the programs that are killed fire ticks.
  const mill = chaos.use(await openWorker(store, type));
  await mill.start();
  const names = Array.from({ length: size.schedules }, (_, number) => `every-second-${number}`);
  const startMs = await putSchedules(mill, type, names);
  const kills = await killSchedulers(
    chaos,
    path,
    size,
    async () => (await ticksOf(mill)) >= size.ticks,
  );
  const { expected, missed } = await endSchedules(mill, type, names, startMs);
  await until(chaos, async () => (await store.queues()).every(({ counts }) => counts.ready === 0));
  await mill.stop();

  const ran = new Map<string, number>();
  for (const { id } of readEffects(chaos.directory)) ran.set(id, (ran.get(id) ?? 0) + 1);
  chaos.must("kills", kills, { atLeast: size.kills });
  chaos.must("ticks", ran.size, { atLeast: size.ticks });
  chaos.must("ticks given up as missed", missed, { exactly: 0 });
  const never = [...expected].filter((id) => !ran.has(id));
  chaos.must("ticks that never came", never.length, { exactly: 0 });
  chaos.must("ticks that came twice", [...ran.values()].filter((times) => times > 1).length, {
    exactly: 0,
  });
  const unexpected = [...ran.keys()].filter((id) => !expected.has(id));
  chaos.must("jobs that no tick explains", unexpected.length, { exactly: 0 });
}

type WorkerMill = Omit<Millrace, "schedules" | "figures" | "runs"> & {
  readonly schedules: ScheduleOperations;
};

async function openWorker(
  store: Awaited<ReturnType<typeof openSqliteStore>>,
  type: JobType,
): Promise<WorkerMill> {
  return openRuntime({ store, logger: silentLogger, jobs: [type] }, (parts) => ({
    rooms: [],
    calls: { schedules: createSchedules(parts).calls },
  }));
}

/** Puts the schedules, and says when their first tick is due. */
async function putSchedules(
  mill: WorkerMill,
  type: JobType,
  names: readonly string[],
): Promise<number> {
  const { nowMs } = await mill.describe();
  const start = Math.ceil(nowMs / SECOND_MS) * SECOND_MS + 3 * SECOND_MS;
  for (const name of names) {
    // Far more than any gap between two lives of a scheduler: nothing may be dropped.
    await mill.schedules.put({ type, name, every: "1s", start, missed: { all: 500 } });
  }
  return start;
}

async function ticksOf(mill: WorkerMill): Promise<number> {
  const { schedules } = await mill.schedules.list({ limit: 1_000 });
  return schedules.reduce((sum, { enqueuedTicks }) => sum + enqueuedTicks, 0);
}

/** Pauses the schedules: each has then fired every tick before its next one. Says which jobs those must have made. */
async function endSchedules(
  mill: WorkerMill,
  type: JobType,
  names: readonly string[],
  startMs: number,
): Promise<{ readonly expected: ReadonlySet<string>; readonly missed: number }> {
  const expected = new Set<string>();
  let missed = 0;
  for (const name of names) {
    const { next, missedTicks } = await mill.schedules.pause(name);
    missed += missedTicks;
    const endMs = Date.parse(next?.dueAt ?? "");
    for (let dueAtMs = startMs; dueAtMs < endMs; dueAtMs += SECOND_MS) {
      expected.add(tickJobId(name, dueAtMs, type.queue));
    }
  }
  return { expected, missed };
}

async function killSchedulers(
  chaos: Chaos,
  path: string,
  size: Size,
  isOver: () => Promise<boolean>,
): Promise<number> {
  let started = 0;
  const start = async (): Promise<Program> => {
    started += 1;
    return Program.start({
      program: PROGRAM,
      options: { path },
      directory: chaos.directory,
      name: `scheduler-${started}`,
    });
  };
  const running = await Promise.all(Array.from({ length: SCHEDULERS }, start));
  chaos.use({
    [Symbol.asyncDispose]: async () => {
      for (const program of running) await program[Symbol.asyncDispose]();
    },
  });
  let kills = 0;
  // Each scheduler has a fate of its own, so that now and then none of them is alive.
  const endOverAndOver = async (place: number): Promise<void> => {
    while (kills < size.kills) {
      await pause(chaos, chaos.random.integer(0, LONGEST_LIFE_MS));
      kills += 1;
      await running[place]?.kill();
      running[place] = await start();
    }
  };
  await Promise.all(running.map((_, place) => endOverAndOver(place)));
  await until(chaos, isOver);
  return kills;
}

async function until(chaos: Chaos, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(chaos, 50);
}

async function pause(chaos: Chaos, durationMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, durationMs);
  chaos.signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
  chaos.signal.throwIfAborted();
}

function asDisposable<Closable extends { close(): Promise<void> }>(
  closable: Closable,
): Closable & AsyncDisposable {
  return Object.assign(closable, { [Symbol.asyncDispose]: () => closable.close() });
}

export const scenario: Scenario = {
  id: "S1",
  fault: "schedules: 3 schedulers, 200 kills, 10,000 ticks; each tick exactly once",
  run,
};
