// The suite `fleet`: collections and starts of the supervised fleet, beside the naive way and the ideal.
import { collect, openFleet } from "../../src/fleet/index.ts";
import type { CollectResult } from "../../src/fleet/index.ts";
import type { Figures, Measurement, Run, Suite } from "../harness/index.ts";
import { ownLinesPerSecond, readlineLinesPerSecond } from "./fleet/lines.ts";
import { collectNaively, spawnNaively } from "./fleet/naive.ts";
import { type Task, WORKER, task } from "./fleet/task.ts";

const LIFE_MS = 3_000;
const SPAWNED = 100;
const SPAWNED_QUICK = 16;
const LINES = 20_000_000;
const LINES_QUICK = 1_000_000;

const SECONDS = { unit: "s", better: "lower" } as const;
const RATIO = { unit: "x its own ideal", better: "lower" } as const;

async function collectOnce({
  samples,
  workers,
  paceMs,
  switches,
}: Task): Promise<CollectResult<number>> {
  const result = await collect({
    command: [WORKER, "-workerId", "{id}", "-port", "{port}", ...switches],
    url: "http://localhost:{port}/rnd?n={n}",
    samples,
    workers,
    pace: paceMs,
  });
  if (result.count === samples && result.values.length === samples) return result;
  throw new Error(`${result.count} samples of ${samples}: ${result.problem}`);
}

/** Time from the first spawn, and that beside what the same members could have given. */
function collection(name: string, meanLifeMs?: number): Measurement {
  const figures = (elapsedMs: number, idealMs: number): Figures => ({
    [name]: elapsedMs / 1_000,
    [`${name}-over-ideal`]: elapsedMs / idealMs,
  });
  const given = (run: Run): Task => task(run.isQuick, meanLifeMs);
  return {
    cases: { [name]: SECONDS, [`${name}-over-ideal`]: RATIO },
    subjects: {
      ideal: async (run) => {
        const { idealMs = Number.NaN } = await collectOnce(given(run));
        return figures(idealMs, idealMs);
      },
      millrace: async (run) => {
        const { elapsedMs, idealMs = Number.NaN } = await collectOnce(given(run));
        return figures(elapsedMs, idealMs);
      },
      naive: async (run) => {
        const { elapsedMs, idealMs } = await collectNaively(given(run));
        return figures(elapsedMs, idealMs);
      },
    },
  };
}

async function spawnSupervised(size: number): Promise<number> {
  const startedAtMs = performance.now();
  const command = [WORKER, "-workerId", "{id}", "-port", "{port}"];
  await using fleet = openFleet({ command, size });
  await fleet.allReady();
  return performance.now() - startedAtMs;
}

export const suite: Suite = {
  name: "fleet",
  about:
    "150 samples from 16 workers of one a second; members that live for ever, or 3 s on average",
  reference: "ideal",
  measurements: [
    collection("collect"),
    collection("collect-crashing", LIFE_MS),
    {
      cases: { "spawn-100": SECONDS },
      subjects: {
        millrace: async ({ isQuick }) => ({
          "spawn-100": (await spawnSupervised(isQuick ? SPAWNED_QUICK : SPAWNED)) / 1_000,
        }),
        naive: async ({ isQuick }) => ({
          "spawn-100": (await spawnNaively(isQuick ? SPAWNED_QUICK : SPAWNED)) / 1_000,
        }),
      },
    },
    {
      cases: { lines: { unit: "lines/s", better: "higher" } },
      subjects: {
        millrace: async ({ isQuick }) => ({
          lines: await ownLinesPerSecond(isQuick ? LINES_QUICK : LINES),
        }),
        naive: async ({ isQuick }) => ({
          lines: await readlineLinesPerSecond(isQuick ? LINES_QUICK : LINES),
        }),
      },
    },
  ],
  goals: [
    {
      case: "collect-over-ideal",
      subject: "millrace",
      against: { subject: "ideal" },
      atMost: 1.03,
    },
    { case: "collect", subject: "millrace", against: { subject: "naive" }, atMost: 1 },
    { case: "collect-crashing", subject: "millrace", against: { subject: "naive" }, atMost: 1 },
  ],
};
