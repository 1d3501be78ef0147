// The suite `embedded`: the embedded store beside a bare loop over the same library, and a peer on SQLite.
import type { Case, Goal, Measurement, Run, Suite } from "../harness/index.ts";
import type { EmbeddedSubject } from "./embedded/subject.ts";
import { CONCURRENCY } from "../harness/workload.ts";
import { WAITING, WAITING_MILLION } from "./embedded/seed.ts";

/** What a subject does for one measurement, under the suite's name for it. */
type Ask = (subject: EmbeddedSubject, run: Run) => Promise<Readonly<Record<string, number>>>;

const SUBJECTS = ["bare", "millrace", "openworkflow"] as const;

const PACE: Case = { unit: "jobs/s", better: "higher" };
const LATENCY: Case = { unit: "ms", better: "lower" };

/** Loaded in the measuring process only, and only the one: a peer's modules weigh on nobody else. */
async function load(name: string): Promise<EmbeddedSubject> {
  const { subject } = (await import(`./embedded/${name}.ts`)) as { subject: EmbeddedSubject };
  return subject;
}

function measurement(
  cases: Measurement["cases"],
  subjects: readonly string[],
  ask: Ask,
): Measurement {
  return {
    cases,
    subjects: Object.fromEntries(
      subjects.map((name) => [name, async (run: Run) => ask(await load(name), run)]),
    ),
  };
}

/** The cases over a store in which a number of jobs wait. */
function casesOver(
  waiting: number,
  suffix: string,
  names: readonly string[],
): readonly Measurement[] {
  const pace = (name: string, ask: (subject: EmbeddedSubject, run: Run) => Promise<number>) =>
    measurement({ [name + suffix]: PACE }, names, async (subject, run) => ({
      [name + suffix]: await ask(subject, run),
    }));
  return [
    pace("bulk-enqueue", (subject, run) => subject.bulkEnqueue(run, waiting)),
    pace("enqueue-100-callers", (subject, run) => subject.enqueue(run, CONCURRENCY, waiting)),
    pace("enqueue-1-caller", (subject, run) => subject.enqueue(run, 1, waiting)),
    pace("process-c100", (subject, run) => subject.process(run, waiting, { isLogged: false })),
    pace("process-c100-logged", (subject, run) =>
      subject.process(run, waiting, { isLogged: true }),
    ),
    measurement(
      { [`latency-p50${suffix}`]: LATENCY, [`latency-p99${suffix}`]: LATENCY },
      names,
      async (subject, run) => {
        const { p50, p99 } = await subject.latencies(run, waiting);
        return { [`latency-p50${suffix}`]: p50, [`latency-p99${suffix}`]: p99 };
      },
    ),
    measurement({ [`latency-2-processes-p50${suffix}`]: LATENCY }, names, async (subject, run) => ({
      [`latency-2-processes-p50${suffix}`]: await subject.latencyAcrossProcesses(run, waiting),
    })),
  ];
}

/** Cases that a million waiting jobs must not slow down. */
const PACES = ["bulk-enqueue", "enqueue-100-callers", "enqueue-1-caller", "process-c100"] as const;

const GOALS: readonly Goal[] = [
  { case: "bulk-enqueue", subject: "millrace", against: { subject: "bare" }, atLeast: 0.4 },
  { case: "process-c100", subject: "millrace", against: { subject: "bare" }, atLeast: 0.4 },
  {
    case: "enqueue-100-callers",
    subject: "millrace",
    against: { case: "enqueue-1-caller" },
    atLeast: 6,
  },
  { case: "latency-p50", subject: "millrace", atMost: 2 },
  { case: "latency-2-processes-p50", subject: "millrace", atMost: 25 },
  ...PACES.map((name) => ({
    case: `${name}-1m`,
    subject: "millrace",
    against: { case: name },
    atLeast: 0.8,
  })),
];

export const suite: Suite = {
  name: "embedded",
  about: "SQLite on a file, WAL, full fsync; a small JSON payload, a handler that does nothing",
  reference: "bare",
  goals: GOALS,
  measurements: [
    ...casesOver(WAITING, "", SUBJECTS),
    // A million runs would take the peer the better part of an hour to enqueue.
    ...casesOver(
      WAITING_MILLION,
      "-1m",
      SUBJECTS.filter((name) => name !== "openworkflow"),
    ).map((million) => ({ ...million, isLong: true })),
  ],
};
