// Large inputs and results: put away in the blob store with a reference in the job, and read again where they are used.
import { type OptionNames, checkOptions, tellValue } from "../../core/arguments.ts";
import { createHash } from "node:crypto";
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobRecord, JsonText } from "../../core/job.ts";
import { MAX_VALUE_BYTES, utf8Bytes } from "../../core/limits.ts";
import { createDirectoryBlobs } from "./directory.ts";
import type { BlobStore } from "./blob-store.ts";

/** Where large values are kept. */
export interface BlobOptions {
  /** `"dir:PATH"`, or a blob store of one's own. */
  readonly store: string | BlobStore;
  /** Values of more bytes than this are put away. Default 65,536. */
  readonly above?: number;
  /** Largest value in bytes. Default 67,108,864. */
  readonly maxBytes?: number;
}

/** A store of one's own may have any names. */
const BLOB_NAMES: OptionNames<BlobOptions> = { store: true, above: true, maxBytes: true };

/** Small enough that pages of jobs stay quick, large enough that few values need a second place. */
const DEFAULT_ABOVE_BYTES = 64 * 1_024;
/** A value is in memory whole, as text and parsed; what is larger belongs on a shared resource of the program's own. */
const DEFAULT_MAX_BYTES = 64 * 1_024 * 1_024;
/** The field that a reference has, and no input or result may begin with. */
const FIELD = "$blob";
const REFERENCE_START = `{"${FIELD}":`;

/** What the names of values begin with that steps leave with their run: they are kept as long as it is. */
const STEP_PREFIX = "step-";

/** What a job holds in place of a large value. */
interface Reference {
  readonly [FIELD]: {
    readonly name: string;
    readonly bytes: number;
    readonly sha256: string;
    /** The job that it is kept with, where that is another. */
    readonly job?: JobId;
  };
}

/** Values of jobs, wherever they are kept. Texts that are small pass through without a promise. */
export interface LargeValues {
  /** Largest value in bytes. */
  readonly maxBytes: number;
  readonly store: BlobStore | undefined;
  /**
   * What is kept in the job: the value itself, or a reference to it when it has been put away.
   *
   * @throws MillraceError `BLOB_FAILED`
   */
  putAway(job: JobId, name: string, text: JsonText): JsonText | Promise<JsonText>;
  /**
   * The same for what a step came to: it is kept with its run, which has need of it when the step's job is gone.
   *
   * @throws MillraceError `BLOB_FAILED`
   */
  putAwayFor(
    run: JobId,
    step: { readonly job: JobId; readonly name: string },
    text: JsonText,
  ): JsonText | Promise<JsonText>;
  /**
   * The value that a job's text stands for.
   *
   * @throws MillraceError `BLOB_MISSING`, `BLOB_FAILED`
   */
  read(job: JobId, text: JsonText): JsonText | Promise<JsonText>;
  /** Whether a text stands for a value that was put away. */
  isAway(text: JsonText): boolean;
  /** The same of a text that was parsed. */
  isAwayParsed(value: unknown): boolean;
}

/** Values that stay in their jobs. */
export const inPlace: LargeValues = {
  maxBytes: MAX_VALUE_BYTES,
  store: undefined,
  putAway: (_job, _name, text) => text,
  putAwayFor: (_run, _step, text) => text,
  isAway: isReference,
  isAwayParsed: isReferenceValue,
  read: (job, text) => {
    if (!isReference(text)) return text;
    throw missing(
      job,
      text,
      "no blob store is configured here; give this process the same `blobs`",
    );
  },
};

/**
 * Opens the place of large values.
 *
 * @throws MillraceError `INVALID_ARGUMENT` that names the field
 */
export function openLargeValues(options: BlobOptions | undefined, namespace: string): LargeValues {
  if (options === undefined) return inPlace;
  const { above = DEFAULT_ABOVE_BYTES, maxBytes = DEFAULT_MAX_BYTES } = checkOptions(
    options,
    "blobs",
    BLOB_NAMES,
  );
  checkBytes("blobs.above", above, MAX_VALUE_BYTES);
  checkBytes("blobs.maxBytes", maxBytes, Number.MAX_SAFE_INTEGER);
  const store = openBlobStore(options.store, namespace);
  const keep = (blob: Blob): JsonText | Promise<JsonText> => {
    // A text of a third of the bound can't be over it, whatever its characters.
    if (blob.text.length * 3 <= above) return blob.text;
    const bytes = utf8Bytes(blob.text);
    return bytes <= above ? blob.text : put(store, blob, bytes);
  };
  return {
    maxBytes,
    store,
    putAway: (job, name, text) => keep({ job, name, text, isElsewhere: false }),
    putAwayFor: (run, step, text) => {
      const name = `${STEP_PREFIX}${step.job}-${step.name}`;
      return keep({ job: run, name, text, isElsewhere: true });
    },
    read: (job, text) => (isReference(text) ? get(store, job, text) : text),
    isAway: isReference,
    isAwayParsed: isReferenceValue,
  };
}

/**
 * Checks options without opening anything.
 *
 * @throws MillraceError `INVALID_ARGUMENT` that names the field
 */
export function checkBlobOptions(options: unknown): void {
  if (typeof options === "object" && options !== null && "store" in options) {
    openLargeValues(options as BlobOptions, "default");
    return;
  }
  throw new MillraceError("INVALID_ARGUMENT", {
    message: 'blobs is not as expected: { store: "dir:PATH" }, with above and maxBytes if need be',
  });
}

/** Whether a text is, or would be taken for, a reference. */
export function isReference(text: JsonText): boolean {
  return text.startsWith(REFERENCE_START);
}

/** The same of a text that was parsed. */
function isReferenceValue(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const [first] = Object.keys(value);
  return first === FIELD;
}

/** Whether a job that is kept refers to a value, or holds it for a step of its. */
export function refersTo({ input, result }: JobRecord, name: string): boolean {
  return (
    name.startsWith(STEP_PREFIX) ||
    [input, result].some(
      (text) =>
        text !== null && isReference(text) && (JSON.parse(text) as Reference)[FIELD].name === name,
    )
  );
}

function openBlobStore(store: string | BlobStore, namespace: string): BlobStore {
  if (typeof store === "object" && store !== null) return store;
  const [, path] = (typeof store === "string" ? /^dir:(.+)$/.exec(store) : null) ?? [];
  if (path !== undefined) return createDirectoryBlobs({ path, namespace });
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `blobs.store is ${tellValue(store)}; expected "dir:PATH" or a BlobStore`,
  });
}

function checkBytes(field: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `${field} is ${tellValue(value)}; expected a whole number of bytes from 1 to ${most}`,
  });
}

/** A value that may be put away. */
interface Blob {
  readonly job: JobId;
  readonly name: string;
  readonly text: JsonText;
  /** Whether another job refers to it. */
  readonly isElsewhere: boolean;
}

async function put(
  store: BlobStore,
  { job, name, text, isElsewhere }: Blob,
  bytes: number,
): Promise<JsonText> {
  try {
    await store.put({ job, name, text });
  } catch (cause) {
    throw failed(store, `keep ${bytes} bytes of job ${job}`, cause);
  }
  const sha256 = createHash("sha256").update(text).digest("hex");
  const place = isElsewhere ? { job } : {};
  return JSON.stringify({ [FIELD]: { name, bytes, sha256, ...place } } satisfies Reference);
}

async function get(store: BlobStore, job: JobId, reference: JsonText): Promise<JsonText> {
  const { name, sha256, job: keptWith = job } = (JSON.parse(reference) as Reference)[FIELD];
  let text: JsonText | null;
  try {
    text = await store.get({ job: keptWith, name });
  } catch (cause) {
    throw failed(store, `read ${name} of job ${job}`, cause);
  }
  if (text === null) {
    throw missing(
      job,
      reference,
      `it is not in ${store.location}; does this process have the same blob store as the one that kept it?`,
    );
  }
  if (createHash("sha256").update(text).digest("hex") !== sha256) {
    throw missing(job, reference, `what is in ${store.location} under its name is something else`);
  }
  return text;
}

function missing(job: JobId, reference: JsonText, why: string): MillraceError {
  const { name, bytes } = (JSON.parse(reference) as Reference)[FIELD];
  return new MillraceError("BLOB_MISSING", {
    message: `the ${name.split("-", 1)[0] ?? name} of job ${job} (${bytes} bytes) can't be read: ${why}`,
    details: { jobId: job, name, bytes },
  });
}

function failed(store: BlobStore, what: string, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError("BLOB_FAILED", {
    message: `the blob store ${store.location} could not ${what}: ${reason}`,
    cause,
  });
}
