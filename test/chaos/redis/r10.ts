// R10: a worker's clock is off by five minutes, either way; the store's is right.
import { fileURLToPath } from "node:url";
import { Place, QUICK_WORKER, until } from "../harness/place.ts";
import type { Chaos, Scenario } from "../harness/scenario.ts";
import { MortalServer } from "./server.ts";

const SHIFT_MS = 300_000;
const LATE_MS = 1_000;
/** The short form runs beside other tests: a start may be late by what they take. */
const BESIDE_OTHERS = 5;
const DELAY_MS = 1_000;
const SHIFTED_CLOCK = fileURLToPath(new URL("../programs/shifted-clock.ts", import.meta.url));

export const scenario: Scenario = {
  id: "R10",
  fault: "a worker whose clock is five minutes fast, and one whose clock is five minutes slow",
  async run(chaos) {
    for (const shiftMs of [SHIFT_MS, -SHIFT_MS]) {
      await runWith(chaos, shiftMs, shiftMs > 0 ? "fast" : "slow");
    }
  },
};

/** Everything that a process does whose clock is wrong: enqueue with a delay, fire a schedule, retry, run. */
async function runWith(chaos: Chaos, shiftMs: number, name: string): Promise<void> {
  const jobs = chaos.isShort ? 5 : 200;
  const ticks = chaos.isShort ? 2 : 60;
  const server = chaos.use(await MortalServer.start());
  const place = new Place(chaos, name, { url: server.url });
  const { mill, types } = await place.observe();
  const under = [
    "env",
    `SHIFTED_CLOCK_MS=${shiftMs}`,
    `NODE_OPTIONS=--import=${SHIFTED_CLOCK} ${process.env["NODE_OPTIONS"] ?? ""}`,
  ];
  const program = await place.startWorker({ worker: QUICK_WORKER, under });
  const { result: clockMs } = await program.ask({ kind: "clock" }, chaos.signal);
  const offByMs = Math.abs(Number(clockMs) - Date.now());
  chaos.must(`${name}: clock off by, s`, Math.round(offByMs / 1_000), { atLeast: 290 });
  const schedule = { type: types.work, name: "tick", every: "1s", input: { number: 0 } } as const;
  const startedAtMs = Date.now();
  await mill.schedules.put(schedule);
  const production = { from: 1, count: jobs, callers: 5, delayMs: DELAY_MS };
  await program.ask({ kind: "produce", type: "work", production }, chaos.signal);
  const producedAtMs = Date.now();
  const ended = async (): Promise<number> =>
    (await mill.queues()).reduce((sum, { counts }) => sum + counts.succeeded, 0);
  await until(chaos, "jobs and ticks", async () => (await ended()) >= jobs + ticks);

  const page = await mill.jobs({ type: "work", limit: 1_000 });
  let latestMs = 0;
  let misdated = 0;
  for (const job of page.jobs) {
    if (job.startedAt === null) continue;
    const dueAtMs = Date.parse(job.dueAt);
    latestMs = Math.max(latestMs, Date.parse(job.startedAt) - dueAtMs);
    // Due when the true clock says so: not earlier than asked for, and not minutes later.
    const isInTime =
      dueAtMs >= startedAtMs && dueAtMs <= Math.max(producedAtMs, Date.now()) + DELAY_MS;
    if (!isInTime) misdated += 1;
  }
  const atMost = LATE_MS * (chaos.isShort ? BESIDE_OTHERS : 1);
  chaos.must(`${name}: jobs and ticks run`, page.jobs.length, { atLeast: jobs + ticks });
  chaos.must(`${name}: due at another time than the store's clock says`, misdated, { exactly: 0 });
  chaos.must(`${name}: latest start after it was due, ms`, latestMs, { atMost });
  await program.kill();
}
