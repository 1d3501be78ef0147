// Schedules as a developer meets them: declared with the job type or put at run time, on the embedded store.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { defineJob } from "../core/index.ts";
import { openMillrace } from "../millrace/index.ts";
import type { Logger, Millrace, MillraceOptions } from "../runtime/index.ts";
import type { Store } from "../core/index.ts";
import { silentLogger } from "../runtime/index.ts";
import { openSqliteStore } from "../stores/sqlite/index.ts";
import { type TestClock, createTestClock } from "../testing/index.ts";
import { tickOf } from "./tick-id.ts";

const HOUR_MS = 3_600_000;
let clock: TestClock;
let store: Store;
let mill: Millrace | undefined;
/** Other processes, as it were. */
const beside: Millrace[] = [];

beforeEach(async () => {
  clock = createTestClock();
  store = await openSqliteStore({ path: ":memory:", namespace: "default", clock });
});

afterEach(async () => {
  for (const each of beside.splice(0)) await each.close();
  await mill?.close();
  await store.close();
});

const open = async (options: MillraceOptions): Promise<Millrace> => {
  mill = await openMillrace({ store, logger: false, ...options });
  return mill;
};

const keptJobs = async (): Promise<number> =>
  (await store.list({ filter: {}, limit: 1_000 })).jobs.length;

/** Puts the clock forward, and waits until nothing is due any more. */
const passTime = async (durationMs: number): Promise<void> => {
  clock.advance(durationMs);
  await vi.waitFor(
    async () => {
      expect((await store.schedules({ kind: "due", limit: 1 })).schedules).toEqual([]);
    },
    { timeout: 30_000 },
  );
};

test("a job type declares its schedule, and its handler runs with every tick, knowing which it is", async () => {
  const ran: (string | undefined)[] = [];
  const report = defineJob({
    name: "report",
    input: z.object({ to: z.string() }),
    schedule: { every: "1h", input: { to: "all" } },
    run: ({ job, input }) => {
      ran.push(`${input.to} ${tickOf(job)?.dueAt.toISOString()}`);
    },
  });
  await (await open({ jobs: [report] })).start();
  const due = (await mill?.schedules.get("report"))?.next?.dueAt;
  await passTime(HOUR_MS);
  await vi.waitFor(() => expect(ran).toEqual([`all ${due}`]), 30_000);
});

describe("a declared schedule", () => {
  test("is not put by a process that only enqueues", async () => {
    const report = defineJob({ name: "report", schedule: { every: "1h" }, run: () => undefined });
    await open({ jobs: [report] });
    await mill?.enqueue(report, {});
    expect((await mill?.schedules.list())?.schedules).toEqual([]);
  });

  test("that can never fire is refused when Millrace is opened, with its name", async () => {
    const report = defineJob({ name: "report", schedule: { cron: "0 0 31 4 *" } });
    await expect(open({ jobs: [report] })).rejects.toMatchObject({ code: "INVALID_SCHEDULE" });
  });

  test("whose input does not fit its type is refused at start", async () => {
    const report = defineJob({
      name: "report",
      input: z.object({ to: z.string() }),
      schedule: { every: "1h" },
      run: () => undefined,
    });
    await open({ jobs: [report] });
    await expect(mill?.start()).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("of several has a name of its own", async () => {
    const report = defineJob({
      name: "report",
      schedule: [
        { name: "weekly", cron: "@weekly" },
        { name: "daily", cron: "@daily" },
      ],
      run: () => undefined,
    });
    await (await open({ jobs: [report] })).start();
    expect((await mill?.schedules.list())?.schedules.map(({ name }) => name)).toEqual([
      "daily",
      "weekly",
    ]);
  });
});

function hourlyReport(): ReturnType<typeof defineJob> {
  return defineJob({ name: "report", schedule: { every: "1h" }, run: () => undefined });
}

test("five processes that start at once have one schedule and one job a tick", async () => {
  const mills = await Promise.all(
    Array.from({ length: 5 }, () => openMillrace({ store, logger: false, jobs: [hourlyReport()] })),
  );
  await Promise.all(mills.map((each) => each.start()));
  await passTime(HOUR_MS);
  await passTime(HOUR_MS);
  await vi.waitFor(async () => expect(await keptJobs()).toBe(2), 30_000);
  await Promise.all(mills.map((each) => each.close()));
  const { schedules } = await store.schedules({ kind: "page", filter: {}, limit: 10 });
  expect(schedules).toMatchObject([{ enqueued: 2, revision: 1 }]);
});

describe("a schedule put at run time", () => {
  const mail = defineJob({
    name: "mail",
    input: z.object({ to: z.string(), key: z.string() }),
    redact: ["key"],
    labels: ["eu"],
    run: () => undefined,
  });
  const input = { to: "all", key: "secret" };

  test("is shown with its words, its next tick and its input masked", async () => {
    await open({ jobs: [mail] });
    const view = await mill?.schedules.put({
      type: mail,
      name: "weekdays",
      cron: "0 9 * * MON-FRI",
      timeZone: "Europe/Berlin",
      input,
      job: { tags: ["a"], expiresIn: "1h" },
    });
    expect(view).toMatchObject({
      name: "weekdays",
      type: "mail",
      state: "active",
      description: "At 09:00, Monday through Friday (Europe/Berlin)",
      input: { to: "all", key: "[redacted]" },
      tags: ["a", "schedule:weekdays"],
      labels: ["eu"],
      rhythm: { cron: "0 9 * * MON-FRI", timeZone: "Europe/Berlin" },
      last: null,
    });
    expect(await mill?.schedules.get("weekdays")).toEqual(view);
  });

  test("is put by the type's name too, and can be put again as it is shown", async () => {
    await open({ jobs: [mail] });
    const first = await mill?.schedules.put({ type: "mail", every: "90s", input });
    expect(first?.rhythm).toEqual({ every: 90_000 });
    const again = await mill?.schedules.put({ type: "mail", ...first?.rhythm, input });
    expect(again).toEqual(first);
  });

  test("pauses, says by whom, resumes without making good what came between, and is removed", async () => {
    await (await open({ jobs: [mail] })).start();
    await mill?.schedules.put({ type: mail, every: "1h", input });
    const paused = await mill?.schedules.pause("mail", { by: "ops", reason: "migration" });
    expect(paused).toMatchObject({ state: "paused", paused: { by: "ops", reason: "migration" } });
    clock.advance(5 * HOUR_MS);
    const resumed = await mill?.schedules.resume("mail");
    expect(resumed).toMatchObject({ state: "active", missedTicks: 0, enqueuedTicks: 0 });
    await passTime(HOUR_MS);
    expect(await keptJobs()).toBe(1);
    expect(await mill?.schedules.remove("mail")).toBe(true);
    expect(await mill?.schedules.remove("mail")).toBe(false);
    expect(await mill?.schedules.get("mail")).toBeNull();
  });

  test("is run now beside its ticks", async () => {
    await open({ jobs: [mail] });
    await mill?.schedules.put({ type: mail, every: "1h", input });
    const receipt = await mill?.schedules.run("mail");
    const job = await mill?.job(receipt?.id ?? "");
    expect(job).toMatchObject({ type: "mail", tags: ["schedule:mail"], state: "ready" });
    expect(tickOf({ id: job?.id ?? "", queue: "mail", tags: job?.tags ?? [] })).toBeNull();
    expect((await mill?.schedules.get("mail"))?.enqueuedTicks).toBe(0);
  });

  test("is previewed by name, and so is a rhythm that nobody put", async () => {
    await open({ jobs: [mail] });
    await mill?.schedules.put({ type: mail, cron: "30 2 * * *", timeZone: "Europe/Berlin", input });
    const after = "2026-03-28T12:00:00Z";
    const known = await mill?.schedules.preview("mail", { after, count: 2 });
    expect(known?.map(({ clock: mark }) => mark)).toEqual(["moved", "usual"]);
    const rhythm = { cron: "30 2 * * *", timeZone: "Europe/Berlin" };
    expect(await mill?.schedules.preview(rhythm, { after, count: 2 })).toEqual(known);
    expect(await mill?.schedules.preview(rhythm)).toHaveLength(10);
  });

  test("is refused where it can't be read, and its kind and name are told where it is not there", async () => {
    await open({ jobs: [mail] });
    const refusals = [
      mill?.schedules.put({ type: mail, cron: "0 0 30 2 *", input }),
      mill?.schedules.pause("nothing"),
      mill?.schedules.resume("nothing"),
      mill?.schedules.run("nothing"),
      mill?.schedules.preview("nothing"),
    ].map(async (refused) =>
      Promise.resolve(refused).then(
        () => "",
        (error: { code: string }) => error.code,
      ),
    );
    const notFound = "SCHEDULE_NOT_FOUND";
    expect(await Promise.all(refusals)).toEqual([
      "INVALID_SCHEDULE",
      notFound,
      notFound,
      notFound,
      notFound,
    ]);
  });
});

/** Runs until it is told to end. */
function endless(): ReturnType<typeof defineJob> {
  return defineJob({
    name: "slow",
    run: async ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      }),
  });
}

describe("when the one before has not ended", () => {
  test("skip leaves a tick out and counts it", async () => {
    const type = endless();
    await (await open({ jobs: [type] })).start();
    await mill?.schedules.put({ type, every: "1h", overlap: "skip" });
    await passTime(HOUR_MS);
    await passTime(HOUR_MS);
    expect(await mill?.schedules.get("slow")).toMatchObject({ enqueuedTicks: 1, skippedTicks: 1 });
    await mill?.stop(undefined, { grace: 0 });
  });

  test("cancel ends the one before, and the next one runs", async () => {
    const type = endless();
    await (await open({ jobs: [type] })).start();
    await mill?.schedules.put({ type, every: "1h", overlap: "cancel" });
    await passTime(HOUR_MS);
    const first = (await mill?.schedules.get("slow"))?.last?.jobId ?? "";
    await vi.waitFor(async () => expect((await mill?.job(first))?.state).toBe("running"), 30_000);
    await passTime(HOUR_MS);
    await vi.waitFor(async () => expect((await mill?.job(first))?.state).toBe("cancelled"), 30_000);
    const second = (await mill?.schedules.get("slow"))?.last?.jobId ?? "";
    await vi.waitFor(async () => expect((await mill?.job(second))?.state).toBe("running"), 30_000);
    await mill?.stop(undefined, { grace: 0 });
  });
});

test("ticks missed in downtime are made good as the schedule says, and the rest are counted and told", async () => {
  const lines: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
  const type = defineJob({ name: "hourly", run: () => undefined });
  await open({ jobs: [type], logger });
  await mill?.schedules.put({ type, every: "1h", missed: { all: 3 } });
  clock.advance(8 * HOUR_MS + HOUR_MS / 2);
  await mill?.start();
  await vi.waitFor(async () => expect(await keptJobs()).toBe(3), 30_000);
  const view = await mill?.schedules.get("hourly");
  expect(view?.enqueuedTicks).toBe(3);
  expect(view?.missedTicks).toBeGreaterThanOrEqual(5);
  expect(lines).toContainEqual({ schedule: "hourly", type: "hourly", missed: view?.missedTicks });
});

test("a schedule that can't be read is paused and says why, and the others fire", async () => {
  const type = defineJob({ name: "fine", run: () => undefined });
  await (await open({ jobs: [type] })).start();
  const nowMs = (await store.describe()).nowMs;
  const next = { dueAtMs: nowMs, fireAtMs: nowMs };
  const job = { type: "fine", queue: "fine", input: "null" };
  await store.changeSchedules({
    changes: [{ kind: "put", schedule: { name: "broken", job, spec: '{"rhythm":{}}', next } }],
  });
  await mill?.schedules.put({ type, every: "1h" });
  await passTime(HOUR_MS);
  expect((await mill?.schedules.get("fine"))?.enqueuedTicks).toBe(1);
  const { schedules } = await store.schedules({ kind: "named", names: ["broken"] });
  expect(schedules[0]?.paused).toMatchObject({ by: "millrace" });
});

test("starting and stopping at once, again and again, leaves nothing behind", async () => {
  const type = defineJob({ name: "fine", schedule: { every: "1h" }, run: () => undefined });
  await open({ jobs: [type] });
  for (let round = 0; round < 20; round += 1) {
    await Promise.all([mill?.start(), mill?.stop(), mill?.start(), mill?.stop()]);
  }
  await mill?.start();
  await passTime(HOUR_MS);
  await vi.waitFor(
    async () => expect((await mill?.schedules.get("fine"))?.enqueuedTicks).toBe(1),
    30_000,
  );
});

/** A store with which something else happens just before one of its calls, once. */
const interrupted = (call: "changeSchedules" | "tick", meanwhile: () => Promise<void>): Store => {
  let isOver = false;
  return new Proxy(store, {
    get: (target, key) => {
      const method: unknown = Reflect.get(target, key);
      if (typeof method !== "function") return method;
      return async (...args: unknown[]): Promise<unknown> => {
        if (key === call && !isOver) {
          isOver = true;
          await meanwhile();
        }
        return Reflect.apply(method, target, args);
      };
    },
  });
};

describe("while another process changes it", () => {
  const report = defineJob({ name: "report", run: () => undefined });
  const other = defineJob({ name: "other", run: () => undefined });

  test("a schedule that is resumed fires by the rhythm that it has by then", async () => {
    const operator = await open({ jobs: [report] });
    await operator.schedules.put({ name: "s", type: report, every: "100d" });
    await operator.schedules.pause("s");
    const second = await openMillrace({
      store: interrupted("changeSchedules", async () => {
        await operator.schedules.put({ name: "s", type: report, every: "1h" });
      }),
      jobs: [report],
      logger: false,
    });
    beside.push(second);
    const { next } = await second.schedules.resume("s");
    const nowMs = (await store.schedules({ kind: "named", names: [] })).nowMs;
    expect(Date.parse(next?.dueAt ?? "") - nowMs).toBeLessThanOrEqual(HOUR_MS);
  });

  test("a schedule that was removed and put again is not fired by what was read of the first", async () => {
    const operator = await open({ jobs: [report, other] });
    await operator.schedules.put({ name: "s", type: report, every: "1h" });
    const worker = await openMillrace({
      store: interrupted("tick", async () => {
        await operator.schedules.remove("s");
        clock.advance(-HOUR_MS);
        await operator.schedules.put({ name: "s", type: other, every: "1h" });
        clock.advance(HOUR_MS);
      }),
      jobs: [report, other],
      logger: false,
    });
    beside.push(worker);
    await worker.start();
    await passTime(HOUR_MS);
    const { jobs } = await store.list({ filter: {}, limit: 10 });
    expect(jobs.map((job) => [job.type, tickOf(job)?.schedule])).toEqual([["other", "s"]]);
  });
});
