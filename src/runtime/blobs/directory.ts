// The blob store's first form: files in a directory that all processes share.
import { type OptionNames, checkOptions, checkTexts, wrongArgument } from "../../core/arguments.ts";
import { mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { MillraceError } from "../../core/errors.ts";
import { isJobId } from "../../core/ids.ts";
import type { BlobEntry, BlobName, BlobStore } from "./blob-store.ts";

/** Options of the directory. */
export interface DirectoryBlobOptions {
  /** Made when it is not there. Shared by machines: a network file system that keeps renames whole. */
  readonly path: string;
  /** Keeps environments or applications apart within one directory. Default `"default"`. */
  readonly namespace?: string;
}

const DIRECTORY_NAMES: OptionNames<DirectoryBlobOptions> = { path: true, namespace: true };

/** The end of an id is random, so that it spreads files evenly; its beginning is the time. */
const SHARD_LENGTH = 2;
const NAME = /^[\w.-]+$/;
const PARTIAL = ".partial";

/** Makes a blob store of files. Nothing is touched until the first value is put. */
export function createDirectoryBlobs(options: DirectoryBlobOptions): BlobStore {
  checkTexts({ namespace: checkOptions(options, "options", DIRECTORY_NAMES).namespace });
  if (typeof options.path !== "string") throw wrongArgument("path", options.path, "a directory");
  const root = join(options.path, options.namespace ?? "default");
  const pathOf = ({ job, name }: BlobName): string => {
    // Both become parts of a path.
    if (!isJobId(job) || !NAME.test(name)) {
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `${JSON.stringify(job)}, ${JSON.stringify(name)} names no blob; expected a job's id and letters, digits or . _ -`,
      });
    }
    return join(root, job.slice(-SHARD_LENGTH), `${job}.${name}`);
  };
  return {
    location: `dir:${options.path}`,
    put: async (blob) => {
      const path = pathOf(blob);
      const shard = join(path, "..");
      await mkdir(shard, { recursive: true });
      await writeWhole(path, blob.text);
      await syncDirectory(shard);
    },
    get: async (blob) => {
      try {
        return await readFile(pathOf(blob), "utf8");
      } catch (error) {
        if (isAbsent(error)) return null;
        throw error;
      }
    },
    remove: async ({ blobs }) => {
      await Promise.all(blobs.map(async (blob) => rm(pathOf(blob), { force: true })));
    },
    list: ({ limit, cursor = "" }) => listFrom(root, limit, cursor),
  };
}

/** Written beside and renamed: a reader sees all of it or none, whatever happens to the writer. */
async function writeWhole(path: string, text: string): Promise<void> {
  const partial = `${path}.${process.pid}${PARTIAL}`;
  const file = await open(partial, "w");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function listFrom(
  root: string,
  limit: number,
  cursor: string,
): ReturnType<BlobStore["list"]> {
  const blobs: BlobEntry[] = [];
  let last = "";
  for (const shard of (await namesIn(root)).sort()) {
    if (shard < cursor.slice(0, SHARD_LENGTH)) continue;
    for (const file of (await namesIn(join(root, shard))).sort()) {
      const place = `${shard}/${file}`;
      if (place <= cursor) continue;
      if (blobs.length === limit) return { blobs, cursor: last };
      last = place;
      const entry = await entryOf(join(root, shard, file));
      if (entry !== null) blobs.push(entry);
    }
  }
  return { blobs };
}

async function entryOf(path: string): Promise<BlobEntry | null> {
  const file = basename(path);
  const dot = file.indexOf(".");
  const [job, name] = [file.slice(0, dot), file.slice(dot + 1)];
  if (dot === -1 || !isJobId(job)) return null;
  try {
    // What a writer left that died is listed, too, so that it is removed in time.
    return { job, name, atMs: (await stat(path)).mtimeMs };
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
