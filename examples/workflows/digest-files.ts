// A fan-out over the files of a directory, and a fan-in: one job a file, so many at once, and one list of what came of
// them. A file that can't be read is told, and does not stop the others.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { defineJob, defineWorkflow } from "millrace";
import { z } from "zod";

export const digestFile = defineJob({
  name: "digest-file",
  input: z.object({ path: z.string() }),
  retry: { attempts: 2, backoff: { kind: "fixed", delay: "50ms" } },
  async run({ input, signal }) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(input.path), hash, { signal });
    return { path: input.path, sha256: hash.digest("hex") };
  },
});

export const digestFiles = defineWorkflow({
  name: "digest-files",
  input: z.object({ directory: z.string() }),
  async run({ input, step }) {
    // Recorded once: a run that is replayed goes on with the same files, whatever came since.
    const paths = await step.run("list", async () => {
      const entries = await readdir(input.directory, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();
    });
    const outcomes = await step.map(
      digestFile,
      paths.map((path) => ({ path })),
      { concurrency: 50 },
    );
    const digests = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.output] : []));
    const whole = createHash("sha256");
    for (const { path, sha256 } of digests) whole.update(`${sha256}  ${path}\n`);
    return {
      files: digests.length,
      failed: paths.filter((_, index) => outcomes[index]?.ok === false),
      sha256: whole.digest("hex"),
    };
  },
});
