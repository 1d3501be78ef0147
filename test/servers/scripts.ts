// The scripts of the Redis store, as its modules export them and as servers know them.
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Script } from "../../src/stores/redis/scripts/script.ts";

const SCRIPTS = fileURLToPath(new URL("../../src/stores/redis/scripts/", import.meta.url));

/** Loads all of them. */
export async function allScripts(): Promise<readonly Script[]> {
  const modules = await Promise.all(
    globSync("*.ts", { cwd: SCRIPTS }).map(
      async (file) =>
        (await import(new URL(file, `file://${SCRIPTS}`).href)) as Record<string, unknown>,
    ),
  );
  return modules.flatMap((module) => Object.values(module).filter(isScript));
}

/** The hashes by which servers know a script: on one server, and on a Cluster. */
export function hashesOf(script: Script): readonly string[] {
  return [false, true].map((isCluster) => script.at({ shiftMs: 0, isCluster }).sha);
}

function isScript(value: unknown): value is Script {
  return typeof value === "object" && value !== null && "sha" in value && "source" in value;
}
