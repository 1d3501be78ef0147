// What a BullMQ store can do, and how it refuses what BullMQ has no way for.
import { MillraceError } from "../../core/errors.ts";
import type { Capability } from "../../core/store-description.ts";
import type { NewJob, TypeRecord } from "../../core/store.ts";

/** What it can do beyond the least. */
export const BULLMQ_CAPABILITIES: ReadonlySet<Capability> = new Set<Capability>([
  "cancel-running",
  "logs",
  "tags",
  "events",
  "schedules",
]);

/**
 * Checks that BullMQ can keep a job as it is meant.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export function checkJob(job: Omit<NewJob, "id">): void {
  checkQueueName(job.queue);
  if ((job.labels?.length ?? 0) > 0) {
    refuse(
      `job type ${job.type} requires labels (${job.labels?.join(", ")})`,
      'BullMQ gives a queue\'s jobs to any of its workers; give such jobs a queue of their own that only the workers with these labels serve, or use a store that has the capability "labels"',
    );
  }
  if (job.parent !== undefined) {
    refuse(
      `a job of type ${job.type} is a step of a workflow`,
      "use the SQLite or the Redis store for workflows",
    );
  }
  if ((job.keys?.length ?? 0) > 0 || job.unique !== undefined) {
    refuse(
      `a job of type ${job.type} has keys of limits, or is unique while it stands`,
      'BullMQ holds neither; use an idempotency key, or a store that has the capabilities "limits" and "unique"',
    );
  }
  if ((job.headStartMs ?? 0) !== 0) {
    refuse(
      `a job of type ${job.type} has a priority`,
      "BullMQ's priorities let urgent jobs hold others back for ever and can't be a head start; give urgent jobs a queue of their own, or use a store that has the capability \"priorities\"",
    );
  }
}

/**
 * Checks that BullMQ can hold what a type asks for.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export function checkType({ name, limits = [] }: TypeRecord): void {
  if (limits.length === 0) return;
  refuse(
    `job type ${name} has limits over all workers`,
    'it holds none; take them out of the type, or use a store that has the capability "limits"',
  );
}

/**
 * Checks a queue's name: BullMQ takes no colon in it.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export function checkQueueName(queue: string): void {
  if (queue.includes(":")) {
    refuse(
      `queue ${queue} has a colon in its name`,
      "BullMQ allows none: name the queue otherwise",
    );
  }
}

function refuse(what: string, mend: string): never {
  throw new MillraceError("UNSUPPORTED", { message: `${what}, and the store is BullMQ: ${mend}` });
}
