// The suite `launchers`: jobs a second through each launcher, warm and cold, beside its means without Millrace.
import type { Case, Measure, Measurement, Suite } from "../harness/index.ts";
import * as bare from "./launchers/bare.ts";
import * as millrace from "./launchers/millrace.ts";
import { AT_ONCE } from "./launchers/places.ts";

const PACE: Case = { unit: "jobs/s", better: "higher" };

/** One case. `jobs` are so many that the long form takes some seconds; the short one does a twentieth. */
function launcher(
  name: string,
  jobs: number,
  subjects: Readonly<Record<string, (jobs: number) => Promise<number>>>,
): Measurement {
  const measured = Object.entries(subjects).map(([subject, run]): [string, Measure] => [
    subject,
    async ({ isQuick }) => ({ [name]: await run(isQuick ? Math.ceil(jobs / 20) : jobs) }),
  ]);
  return { cases: { [name]: PACE }, subjects: Object.fromEntries(measured) };
}

export const suite: Suite = {
  name: "launchers",
  about: `a store in memory, a small JSON input given back, ${AT_ONCE} at once; cold: a program or a connection for each job`,
  reference: "bare",
  measurements: [
    launcher("in-process", 50_000, {
      bare: bare.bareFunctions,
      millrace: millrace.functions,
    }),
    launcher("thread", 20_000, { bare: bare.bareThreads, millrace: millrace.threads }),
    launcher("process", 10_000, {
      bare: bare.bareWarmPrograms,
      millrace: (jobs) => millrace.programs(jobs, { isWarm: true }),
    }),
    launcher("process-cold", 60, {
      bare: bare.bareColdPrograms,
      millrace: (jobs) => millrace.programs(jobs, { isWarm: false }),
    }),
    launcher("http", 10_000, {
      bare: (jobs) => bare.bareCalls(jobs, { isWarm: true }),
      millrace: (jobs) => millrace.calls(jobs, { isWarm: true }),
    }),
    launcher("http-cold", 3_000, {
      bare: (jobs) => bare.bareCalls(jobs, { isWarm: false }),
      millrace: (jobs) => millrace.calls(jobs, { isWarm: false }),
    }),
    launcher("remote", 2_000, { millrace: millrace.remote }),
  ],
};
