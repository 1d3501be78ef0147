// Hashes every file below a directory: real work with progress, that can be cancelled between any two reads.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { opendir } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { defineJob, fatal } from "millrace";
import { z } from "zod";

/** Most files of one job: their paths are kept in memory to be sorted. */
const MAX_FILES = 200_000;

export const hashTree = defineJob({
  name: "hash-tree",
  input: z.object({
    directory: z.string().min(1),
    algorithm: z.enum(["sha256", "sha512"]).default("sha256"),
  }),
  // Reading is bound by the disk, so two trees at once are plenty.
  concurrency: 2,
  timeout: "1h",
  async run({ input, signal, log, progress }) {
    const root = resolve(input.directory);
    const files = await listFiles(root, signal);
    log.info(`hashing ${files.length} files below ${root}`);
    const tree = createHash(input.algorithm);
    let bytes = 0;
    for (const [done, file] of files.entries()) {
      progress({ done, total: files.length, file });
      const hash = createHash(input.algorithm);
      await pipeline(
        createReadStream(join(root, file)),
        async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) {
            bytes += chunk.length;
            hash.update(chunk);
          }
        },
        { signal },
      );
      tree.update(`${hash.digest("hex")}  ${file}\n`);
    }
    progress({ done: files.length, total: files.length });
    return { files: files.length, bytes, digest: `${input.algorithm}:${tree.digest("hex")}` };
  },
});

/** The files below a directory, in an order that is the same on every machine. Links are not followed. */
async function listFiles(root: string, signal: AbortSignal): Promise<readonly string[]> {
  const files: string[] = [];
  const directory = await opendir(root, { recursive: true }).catch((cause: unknown) => {
    // A directory that is not there will not be there at the next try either.
    throw fatal(`can't read ${root}`, { cause });
  });
  for await (const entry of directory) {
    signal.throwIfAborted();
    if (!entry.isFile()) continue;
    if (files.length >= MAX_FILES) throw fatal(`more than ${MAX_FILES} files below ${root}`);
    files.push(relative(root, join(entry.parentPath, entry.name)).replaceAll(sep, "/"));
  }
  return files.sort();
}
