// S3: random cron expressions, impossible ones included, each answered or refused in a bounded number of steps.
import { MAX_SEARCH_STEPS } from "millrace";
import { ZONES } from "../../schedule/daylight-saving.ts";
import { answerCron, randomCron } from "../../schedule/random-cron.ts";
import type { Chaos, Scenario } from "../harness/index.ts";

const AFTER_MS = Date.UTC(2026, 4, 17, 11, 29, 31);
/** Of the table of faults; only the long form, on a machine to itself, is held to it. */
const P99_MS = 5;

async function run(chaos: Chaos): Promise<void> {
  const count = chaos.isShort ? 3_000 : 100_000;
  const answers = Array.from({ length: count }, (_, index) =>
    answerCron(
      randomCron(() => chaos.random.next()),
      ZONES[index % ZONES.length] ?? "UTC",
      AFTER_MS,
    ),
  );
  const took = answers.map(({ tookMs }) => tookMs).sort((left, right) => left - right);
  const p99Ms = took[Math.floor(count * 0.99)] ?? Number.NaN;
  chaos.must("expressions", answers.length, { exactly: count });
  chaos.must("refused before any search", answers.filter(({ isRefused }) => isRefused).length, {
    atLeast: count / 20,
  });
  chaos.must(
    "not refused, and no tick found",
    answers.filter(({ isRefused, nextMs }) => !isRefused && nextMs === null).length,
    { exactly: 0 },
  );
  chaos.must("most steps of a search", Math.max(...answers.map(({ steps }) => steps)), {
    atMost: MAX_SEARCH_STEPS,
  });
  if (chaos.isShort) chaos.figure("p99 ms", p99Ms.toFixed(2));
  else chaos.must("p99 ms", p99Ms, { atMost: P99_MS });
}

export const scenario: Scenario = {
  id: "S3",
  fault:
    "schedules: 100,000 random cron expressions, impossible ones included; each answered or refused in bounded steps",
  run,
};
