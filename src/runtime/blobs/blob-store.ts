// The seam for large data: what is asked of a place that keeps inputs and results which are too large for a job.
import type { JobId } from "../../core/ids.ts";
import type { JsonText } from "../../core/job.ts";

/** Names one value of one job: `input`, or `result-` and the token of the claim that gave it. */
export interface BlobName {
  readonly job: JobId;
  /** Letters, digits and `. _ -`. */
  readonly name: string;
}

/** A value as a list shows it. */
export interface BlobEntry extends BlobName {
  /** When it was put, in milliseconds since 1970, by the blob store's clock. */
  readonly atMs: number;
}

/**
 * Keeps large values: a directory, an object store. Every process that enqueues, runs or reads jobs with large values
 * needs the same one. Methods may be called at once, and reject with whatever went wrong.
 */
export interface BlobStore {
  /** Where it is, without credentials, for errors and `doctor`. */
  readonly location: string;
  /** Keeps a value, whole or not at all; it is there for good when this resolves. Putting again replaces. */
  put(blob: BlobName & { readonly text: JsonText }): Promise<void>;
  /** The value; `null` when it is not there. */
  get(blob: BlobName): Promise<JsonText | null>;
  /** Removes values; those that are not there are no error. */
  remove(request: { readonly blobs: readonly BlobName[] }): Promise<void>;
  /** A page of what is kept, in an order of its own that stays. `cursor` is absent on the last page. */
  list(request: { readonly limit: number; readonly cursor?: string }): Promise<{
    readonly blobs: readonly BlobEntry[];
    readonly cursor?: string;
  }>;
}
