// Stores of the embedded suite that hold a backlog.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { Run } from "../../harness/index.ts";

/** Jobs that wait in the store before a plain case begins. */
export const WAITING = 10_000;
/** Jobs that wait before a `-1m` case begins. */
export const WAITING_MILLION = 1_000_000;

/**
 * The path of a store that holds a backlog: made once for all rounds, then copied, since a million enqueues take longer
 * than what is measured over them.
 */
export async function copySeed(
  run: Run,
  name: string,
  fill: (path: string) => Promise<void>,
): Promise<string> {
  const seed = join(run.sharedDirectory, name);
  if (!existsSync(seed)) {
    const unfinished = `${seed}-unfinished`;
    mkdirSync(unfinished);
    await fill(join(unfinished, "jobs.db"));
    renameSync(unfinished, seed);
  }
  for (const file of readdirSync(seed)) copyFileSync(join(seed, file), join(run.directory, file));
  return join(run.directory, "jobs.db");
}
