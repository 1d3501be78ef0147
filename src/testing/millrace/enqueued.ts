// What was enqueued: kept as it went into the store, and asserted in the words of a test.
import { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { type OptionNames, checkOptions } from "../../core/arguments.ts";
import type { AnyJobType } from "../../core/define-job.ts";
import type { JobId } from "../../core/ids.ts";
import type { NewJob, Store } from "../../core/store.ts";

/** A job that was enqueued and was new, as the store was given it. */
export interface EnqueuedJob {
  readonly id: JobId;
  readonly type: string;
  readonly queue: string;
  /** The input after its trip through JSON, as the handler gets it before its schema parses it. */
  readonly input: unknown;
  /** Time until it is due, in milliseconds; 0 for at once, `null` where a time was given instead. */
  readonly delayMs: number | null;
  /** The time that was given, in milliseconds since 1970. */
  readonly runAtMs: number | null;
  readonly headStartMs: number;
  readonly labels: readonly string[];
  readonly tags: readonly string[];
  readonly idempotencyKey: string | null;
}

/** What a test expects of a job that was enqueued. What is not said may be anything. */
export interface ExpectedJob {
  /** The whole input, or of an object the fields that matter: each must be deeply equal. */
  readonly input?: unknown;
  readonly queue?: string;
  readonly delayMs?: number;
  readonly runAtMs?: number;
  /** Tags that it must have, among others. */
  readonly tags?: readonly string[];
  readonly labels?: readonly string[];
  readonly idempotencyKey?: string;
  /** How many such jobs, exactly; at least one by default. */
  readonly count?: number;
}

const EXPECTED_NAMES: OptionNames<ExpectedJob> = {
  input: true,
  queue: true,
  delayMs: true,
  runAtMs: true,
  tags: true,
  labels: true,
  idempotencyKey: true,
  count: true,
};

/** Keeps what is enqueued through a store, whoever enqueues: the test, a handler, a schedule. */
export function recordEnqueued(store: Store, enqueued: EnqueuedJob[]): Store {
  return {
    ...store,
    enqueue: async (request) => {
      const replies = await store.enqueue(request);
      for (const [index, job] of request.jobs.entries()) {
        if (replies[index]?.isNew === true) enqueued.push(describeJob(job));
      }
      return replies;
    },
    tick: async (request) => {
      const names = request.ticks.map(({ name }) => name);
      const { schedules } = await store.schedules({ kind: "named", names });
      const jobOf = new Map(schedules.map(({ name, job }) => [name, job]));
      const replies = await store.tick(request);
      for (const [index, reply] of replies.entries()) {
        const job = jobOf.get(names[index] ?? "");
        if (!reply.accepted || job === undefined) continue;
        for (const { id, isNew } of reply.jobs) {
          if (isNew) enqueued.push(describeJob({ ...job, id }));
        }
      }
      return replies;
    },
  };
}

function describeJob(job: NewJob): EnqueuedJob {
  return {
    id: job.id,
    type: job.type,
    queue: job.queue,
    input: JSON.parse(job.input) as unknown,
    delayMs: job.runAtMs === undefined ? (job.delayMs ?? 0) : null,
    runAtMs: job.runAtMs ?? null,
    headStartMs: job.headStartMs ?? 0,
    labels: job.labels ?? [],
    tags: job.tags ?? [],
    idempotencyKey: job.idempotency?.key ?? null,
  };
}

/**
 * Finds the jobs of a type that are as expected.
 *
 * @throws AssertionError that lists what was enqueued instead, where their number is not the expected one;
 * MillraceError `INVALID_ARGUMENT`
 */
export function findEnqueued(
  enqueued: readonly EnqueuedJob[],
  type: AnyJobType,
  expected: ExpectedJob,
): readonly EnqueuedJob[] {
  checkOptions(expected, "what is expected", EXPECTED_NAMES);
  const ofType = enqueued.filter((job) => job.type === type.name);
  const found = ofType.filter((job) => isAsExpected(job, expected));
  const { count, ...rest } = expected;
  if (count === undefined ? found.length > 0 : found.length === count) return found;
  throw new AssertionError({
    message: explain(type, { count, rest, found }, ofType),
    actual: ofType,
    expected: rest,
    operator: "assertEnqueued",
    stackStartFn: findEnqueued,
  });
}

const EXACT = ["queue", "delayMs", "runAtMs", "labels", "idempotencyKey"] as const;

function isAsExpected(job: EnqueuedJob, expected: ExpectedJob): boolean {
  const { input, tags = [] } = expected;
  return (
    (input === undefined || hasInput(job.input, input)) &&
    tags.every((tag) => job.tags.includes(tag)) &&
    EXACT.every(
      (field) => expected[field] === undefined || isDeepStrictEqual(job[field], expected[field]),
    )
  );
}

function hasInput(actual: unknown, expected: unknown): boolean {
  // Expected as it is written in the test, so it goes the way of the input: through JSON.
  const wanted: unknown = JSON.parse(JSON.stringify(expected) ?? "null");
  if (!isObject(actual) || !isObject(wanted)) return isDeepStrictEqual(actual, wanted);
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(actual, key) && isDeepStrictEqual(actual[key], value),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Most jobs that a message lists. */
const MAX_LISTED = 10;

function explain(
  type: AnyJobType,
  wanted: {
    readonly count: number | undefined;
    readonly rest: object;
    readonly found: readonly unknown[];
  },
  ofType: readonly EnqueuedJob[],
): string {
  const { count, rest, found } = wanted;
  const like = Object.keys(rest).length === 0 ? "" : ` like ${JSON.stringify(rest)}`;
  const number = count === undefined ? "at least one job" : `${count} jobs`;
  const listed = ofType.slice(0, MAX_LISTED).map((job) => `  ${JSON.stringify(job)}`);
  const more = ofType.length > MAX_LISTED ? [`  and ${ofType.length - MAX_LISTED} more`] : [];
  return [
    `expected ${number} of type ${type.name}${like}; ${found.length} were enqueued. Of that type there were ${ofType.length}:`,
    ...listed,
    ...more,
  ].join("\n");
}
