// Turns what a developer enqueues into what a store keeps, with every check that can be made beforehand.
import type { AnyJobType } from "../../core/define-job.ts";
import { readRetention } from "../../core/define-job.ts";
import { checkOptions, readTime, tellValue } from "../../core/arguments.ts";
import { parseDuration } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JsonText } from "../../core/job.ts";
import {
  DEFAULT_IDEMPOTENCY_MS,
  MAX_TAG_LENGTH,
  checkName,
  checkTags,
  readPriority,
  toJson,
} from "../../core/limits.ts";
import type { NewJob } from "../../core/store.ts";
import { writeTerms } from "../../core/terms.ts";
import { hasFlow, readFlowOf } from "./flow.ts";
import { type LargeValues, inPlace, isReference } from "../blobs/index.ts";
import { ENQUEUE_NAMES, type EnqueueOptions } from "../millrace.ts";
import { validate } from "../validation.ts";

/**
 * Makes a new job. The input is checked as the handler will see it: after a trip through JSON.
 *
 * @throws MillraceError `INVALID_INPUT`, `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_DURATION`, `TOO_MANY`, `BLOB_FAILED`
 */
export function createNewJob(
  type: AnyJobType,
  input: unknown,
  options: EnqueueOptions | undefined,
  makeId: (queue: string) => JobId,
  values: LargeValues = inPlace,
): NewJob | Promise<NewJob> {
  if (options !== undefined) checkOptions(options, "options", ENQUEUE_NAMES);
  const text = inputText(type, input, values.maxBytes);
  const queue = options?.queue === undefined ? type.queue : checkName(options.queue, "queue");
  const build = (): NewJob | Promise<NewJob> => {
    const bare: NewJob = { id: makeId(queue), type: type.name, queue, input: text };
    const isBare = options === undefined && !saysMore(type);
    const job = isBare ? bare : { ...bare, ...readMore(type, options, text) };
    const kept = values.putAway(job.id, "input", text);
    if (typeof kept === "string") return job;
    return kept.then((reference) => ({ ...job, input: reference }));
  };
  if (type.inputSchema === undefined) return build();
  const checked: unknown = validate(
    type.inputSchema,
    JSON.parse(text),
    `input of ${type.name}`,
    "INVALID_INPUT",
  );
  return checked instanceof Promise ? checked.then(build) : build();
}

/** Whether a type says anything of each of its jobs. */
function saysMore(type: AnyJobType): boolean {
  return type.priority !== 0 || type.labels.length > 0 || hasFlow(type);
}

function readMore(
  type: AnyJobType,
  options: EnqueueOptions | undefined,
  input: JsonText,
): Partial<NewJob> {
  const given = options === undefined ? {} : readOptions(options);
  return {
    ...readHeadStart(type.priority, options),
    ...readLabels(type, options),
    ...given,
    ...(hasFlow(type) ? readFlowOf(type, JSON.parse(input), given) : {}),
    ...retentionOf(type, options),
    ...termsOf(type, options),
  };
}

function inputText(type: AnyJobType, input: unknown, maxBytes: number): string {
  const text = toJson(input, `input of ${type.name}`, maxBytes, "INVALID_INPUT");
  if (!isReference(text)) return text;
  throw new MillraceError("INVALID_INPUT", {
    message: `input of ${type.name} begins with the field $blob, which stands for a value that was put away; give it another name`,
  });
}

function readHeadStart(
  typePriority: number,
  options: EnqueueOptions | undefined,
): { readonly headStartMs?: number } {
  const headStartMs = readPriority(options?.priority ?? typePriority);
  return headStartMs === 0 ? {} : { headStartMs };
}

function readLabels(
  type: AnyJobType,
  options: EnqueueOptions | undefined,
): { readonly labels?: readonly string[] } {
  if (options?.labels === undefined) return type.labels.length === 0 ? {} : { labels: type.labels };
  const own = checkTags(options.labels, "labels");
  return { labels: checkTags([...type.labels, ...own], "labels") };
}

function retentionOf(
  type: AnyJobType,
  options: EnqueueOptions | undefined,
): Partial<Pick<NewJob, "retention">> {
  if (options?.retention === undefined) return {};
  return {
    retention: { ...type.retention, ...pickGiven(readRetention(options.retention), options) },
  };
}

function termsOf(
  type: AnyJobType,
  options: EnqueueOptions | undefined,
): Partial<Pick<NewJob, "terms">> {
  const terms = options === undefined ? undefined : writeTerms(options);
  if (terms === undefined) return {};
  if (type.workflow === undefined) return { terms };
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `retry and timeout are given for ${type.name}, which is a workflow: say them of its steps, and its deadline with defineWorkflow`,
    details: { type: type.name },
  });
}

function pickGiven(
  read: ReturnType<typeof readRetention>,
  options: EnqueueOptions,
): Partial<ReturnType<typeof readRetention>> {
  const given = options.retention ?? {};
  return {
    ...(given.succeeded === undefined ? {} : { succeeded: read.succeeded }),
    ...(given.failed === undefined ? {} : { failed: read.failed }),
    ...(given.cancelled === undefined ? {} : { cancelled: read.cancelled }),
  };
}

function readOptions(options: EnqueueOptions): Partial<NewJob> {
  if (options.delay !== undefined && options.runAt !== undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: "both delay and runAt are given; expected one of them",
    });
  }
  return {
    ...(options.delay === undefined ? {} : { delayMs: parseDuration(options.delay, "delay") }),
    ...(options.runAt === undefined ? {} : { runAtMs: readTime(options.runAt, "runAt") }),
    ...(options.expiresIn === undefined
      ? {}
      : { expireAfterMs: parseDuration(options.expiresIn, "expiresIn") }),
    ...(options.tags === undefined ? {} : { tags: checkTags(options.tags, "tags") }),
    ...readIdempotency(options),
  };
}

function readIdempotency(options: EnqueueOptions): Partial<Pick<NewJob, "idempotency">> {
  const key = options.idempotencyKey;
  if (key === undefined) return {};
  if (typeof key !== "string" || key.length === 0 || key.length > MAX_TAG_LENGTH) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `idempotencyKey is ${tellValue(key)}; expected a text of 1 to ${MAX_TAG_LENGTH} characters`,
    });
  }
  const rememberMs = parseDuration(
    options.idempotencyTtl ?? DEFAULT_IDEMPOTENCY_MS,
    "idempotencyTtl",
  );
  return { idempotency: { key, rememberMs } };
}
