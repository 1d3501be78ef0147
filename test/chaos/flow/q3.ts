// Q3: a rate over several worker processes, by the store's claim times.
import { setTimeout as pause } from "node:timers/promises";
import { defineJob, type Millrace } from "millrace";
import { until } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { enqueueBlank, openHere, openPlace, startWorkers } from "./limited-place.ts";

const RATE = { limit: 100, per: "1s", perMs: 1_000 } as const;
const WORKERS = 4;
/** What may be lost of it by looks at the store that come late. */
const KEPT = 0.98;
const PAGE = 1_000;

/** When jobs started by the store's clock, in order. */
async function startsOf(mill: Millrace): Promise<readonly number[]> {
  const starts: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await mill.jobs({
      type: "limited",
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const { startedAt } of page.jobs)
      if (startedAt !== null) starts.push(Date.parse(startedAt));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return starts.sort((left, right) => left - right);
}

/** The most starts in any one window of the rate. */
function mostInWindow(starts: readonly number[]): number {
  let from = 0;
  let most = 0;
  for (const [to, atMs] of starts.entries()) {
    while ((starts[from] ?? 0) <= atMs - RATE.perMs) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

export const scenario: Scenario = {
  id: "Q3",
  fault: "more workers than a rate lets start",
  async run(chaos) {
    const seconds = chaos.isShort ? 3 : 60;
    const place = await openPlace(chaos);
    const limit = { rate: { limit: RATE.limit, per: RATE.per } };
    const type = defineJob({ name: "limited", limits: [limit] });
    const mill = await openHere(chaos, place, [type]);
    await startWorkers(chaos, WORKERS, { ...place, limit, runMs: 0 });
    await enqueueBlank(mill, type, RATE.limit * (seconds + 10));
    await until(chaos, "the first start", async () => (await startsOf(mill)).length > 0);
    await pause(seconds * 1_000, undefined, { signal: chaos.signal });
    const starts = await startsOf(mill);
    const firstMs = starts[0] ?? 0;
    const within = starts.filter((atMs) => atMs < firstMs + seconds * 1_000).length;
    const most = RATE.limit * seconds;
    // How soon a busy machine looks again decides this: the short form, among other tests, tells it only.
    if (chaos.isShort) chaos.figure(`started, of ${most}`, within);
    else chaos.must("started within the time", within, { atLeast: KEPT * most, atMost: most });
    chaos.must("most in any one second", mostInWindow(starts), { atMost: RATE.limit });
  },
};
