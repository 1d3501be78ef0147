// Every script of the Redis store, as its modules export them.
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Script } from "../../src/stores/redis/scripts/script.ts";

const SCRIPTS = fileURLToPath(new URL("../../src/stores/redis/scripts/", import.meta.url));

/** Loads them. */
export async function allScripts(): Promise<readonly Script[]> {
  const modules = await Promise.all(
    globSync("*.ts", { cwd: SCRIPTS }).map(
      async (file) =>
        (await import(new URL(file, `file://${SCRIPTS}`).href)) as Record<string, unknown>,
    ),
  );
  return modules.flatMap((module) => Object.values(module).filter(isScript));
}

function isScript(value: unknown): value is Script {
  return typeof value === "object" && value !== null && "sha" in value && "source" in value;
}
