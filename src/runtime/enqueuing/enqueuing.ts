// Enqueuing: checks, ids, group commit and receipts.
import { randomBytes } from "node:crypto";
import { checkList, checkOptions } from "../../core/arguments.ts";
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError, messageWithCauses } from "../../core/errors.ts";
import { createIdMaker } from "../../core/ids.ts";
import { MAX_ENQUEUE_BATCH } from "../../core/limits.ts";
import type { EnqueueReply, NewJob, Store } from "../../core/store.ts";
import { type Batcher, createBatcher } from "./batcher.ts";
import {
  ENTRY_NAMES,
  type EnqueueEntry,
  type EnqueueOptions,
  type Millrace,
  type Receipt,
} from "../millrace.ts";
import { type LargeValues, inPlace } from "../blobs/index.ts";
import { createNewJob } from "./new-job.ts";
import type { Registry } from "../registry.ts";
import type { Ending, Results } from "./results.ts";
import type { RoomParts } from "../room.ts";

/** The calls that enqueue, and a way to wait for those under way. */
export interface Enqueuing {
  readonly calls: Pick<Millrace, "enqueue" | "enqueueMany" | "enqueueEntries">;
  readonly drained: () => Promise<void>;
  /** The same in steps, for rooms that make jobs of their own. */
  readonly steps: Pick<RoomParts, "createJob" | "prepareJob" | "makeId" | "keepJobs">;
}

/** What enqueuing stands on. */
export interface EnqueuingParts {
  readonly store: Store;
  readonly registry: Registry;
  readonly results: Results;
  readonly values: LargeValues;
  readonly register: (type: AnyJobType) => Promise<void>;
}

/** Makes the calls that enqueue. Callers of one moment share a write. */
export function createEnqueuing(parts: EnqueuingParts): Enqueuing {
  const { store, registry, values } = parts;
  const batcher = createBatcher<NewJob, EnqueueReply>(MAX_ENQUEUE_BATCH, async (jobs) =>
    store.enqueue({ jobs }),
  );
  const { know, makeId, makeJob, createJob, keepJob, keepJobs } = createSteps(parts, batcher);
  return {
    drained: batcher.drained,
    steps: { createJob, prepareJob: makeJob, makeId, keepJobs },
    calls: {
      enqueue: async <Output>(type: AnyJobType, input: unknown, options?: EnqueueOptions) => {
        if (!registry.has(type)) await know(type);
        const made = createNewJob(type, input, options, makeId, values);
        return (await keepJob(made instanceof Promise ? await made : made)) as Receipt<Output>;
      },
      enqueueMany: async <Input, Output>(
        type: AnyJobType,
        inputs: readonly Input[],
        options?: EnqueueOptions | ((input: Input, index: number) => EnqueueOptions),
      ) => {
        await know(type);
        const optionsOf = typeof options === "function" ? options : () => options;
        const jobs = await Promise.all(
          checkList(inputs, "inputs", "inputs").map(async (input, index) =>
            createNewJob(type, input, optionsOf(input, index), makeId, values),
          ),
        );
        return (await keepJobs(jobs)) as Receipt<Output>[];
      },
      enqueueEntries: async (entries: readonly EnqueueEntry[]) => {
        for (const entry of checkList(entries, "entries", "entries")) {
          checkOptions(entry, "entry", ENTRY_NAMES);
        }
        const [only] = entries;
        if (only === undefined || entries.length > 1) {
          const jobs = await Promise.all(
            entries.map(async ({ type, input, options }) => makeJob(type, input, options)),
          );
          return keepJobs(jobs);
        }
        // One job is what a service is asked for most: no more promises than it takes.
        const made = makeJob(only.type, only.input, only.options);
        return [await keepJob(made instanceof Promise ? await made : made)];
      },
    },
  };
}

interface Steps extends Pick<RoomParts, "createJob" | "makeId"> {
  readonly know: (type: AnyJobType) => Promise<void>;
  /** As `createJob`, without a promise where none is needed. */
  readonly makeJob: (
    type: AnyJobType | string,
    input: unknown,
    options?: EnqueueOptions,
  ) => NewJob | Promise<NewJob>;
  readonly keepJob: (job: NewJob) => Promise<Receipt>;
  readonly keepJobs: (jobs: readonly NewJob[]) => Promise<Receipt[]>;
}

function createSteps(
  { registry, results, values, register }: EnqueuingParts,
  batcher: Batcher<NewJob, EnqueueReply>,
): Steps {
  // A type that was never listed is made known with its first job, so that others can mask and settle it.
  const know = async (type: AnyJobType): Promise<void> => {
    if (!registry.has(type)) await register(type);
  };
  const makeId = createIdMaker({ now: Date.now, randomBytes });
  const keepJob = async (job: NewJob): Promise<Receipt> => {
    const [reply] = await batcher.add([job]);
    if (reply === undefined) throw new MillraceError("STORE_FAILED");
    return createReceipt(reply, job, { registry, results, values });
  };
  const keepJobs = async (jobs: readonly NewJob[]): Promise<Receipt[]> => {
    const receipts: Receipt[] = [];
    for (let start = 0; start < jobs.length; start += MAX_ENQUEUE_BATCH) {
      const replies = await batcher.add(jobs.slice(start, start + MAX_ENQUEUE_BATCH));
      for (const [index, reply] of replies.entries()) {
        const job = jobs[start + index];
        if (job !== undefined)
          receipts.push(createReceipt(reply, job, { registry, results, values }));
      }
    }
    return receipts;
  };
  const makeIn =
    (place: LargeValues): Steps["makeJob"] =>
    (typeOrName, input, options, ownId = makeId) => {
      const type = typeof typeOrName === "string" ? registry.get(typeOrName) : typeOrName;
      if (registry.has(type)) {
        return createNewJob(type, input, options, ownId, place);
      }
      return know(type).then(() => createNewJob(type, input, options, ownId, place));
    };
  const makeJob = makeIn(values);
  // Rooms may keep what they made for jobs of other ids: a value that was put away belongs to one job.
  const makeInPlace = makeIn(inPlace);
  const createJob: Steps["createJob"] = async (type, input, options) =>
    makeInPlace(type, input, options);
  return { know, makeId, makeJob, createJob, keepJob, keepJobs };
}

function createReceipt(
  reply: EnqueueReply,
  job: NewJob,
  { registry, results, values }: Pick<EnqueuingParts, "registry" | "results" | "values">,
): Receipt {
  const { type } = job;
  if (reply.because === "draining") {
    throw new MillraceError("QUEUE_DRAINING", {
      message: `the job of type ${type} was not kept: its queue takes nothing new in at present. Resume the queue, or enqueue to another`,
      details: { jobId: reply.id, type },
    });
  }
  // Within a time a job is one of its kind by an idempotency key, of which a store knows no more than the key.
  const isAnother = !reply.isNew && reply.id !== job.id;
  const isThrottled = isAnother && registry.find(type)?.flow.unique?.how.kind === "within";
  const because = reply.because ?? (isThrottled ? "unique" : undefined);
  return {
    id: reply.id,
    type,
    state: reply.state,
    isNew: reply.isNew,
    ...(because === undefined ? {} : { because }),
    result: async (options) => {
      if (reply.because === "dropped") throw new MillraceError("JOB_DROPPED");
      return outputOf(reply.id, await results.wait(reply.id, options), values);
    },
  };
}

async function outputOf(jobId: string, ending: Ending, values: LargeValues): Promise<unknown> {
  const details = { jobId };
  switch (ending.kind) {
    case "succeeded":
      return JSON.parse(await values.read(jobId, ending.result)) as unknown;
    case "failed":
      throw new MillraceError("JOB_FAILED", {
        message: `job ${jobId} failed: ${messageWithCauses(ending.error)}`,
        cause: Object.assign(new Error(ending.error.message), ending.error),
        details: { ...details, error: ending.error },
      });
    case "cancelled":
      throw new MillraceError("JOB_CANCELLED", {
        message: `job ${jobId} was cancelled: ${ending.error.message}`,
        details,
      });
    case "removed":
      throw new MillraceError("JOB_REMOVED", {
        message: `job ${jobId} is no longer kept, so its result can't be told; keep it longer with the type's retention, as { succeeded: { age: "1m" } }`,
        details,
      });
  }
}
