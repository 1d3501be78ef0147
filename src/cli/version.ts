// The version of this package, for the command line: the runtime has its own, and loading that room would slow `--help`.
import { readFileSync } from "node:fs";

let version: string | undefined;

/** The package's version. `src/` and `dist/` lie equally deep, so the one path serves both. */
export function packageVersion(): string {
  if (version === undefined) {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    version = (JSON.parse(text) as { version: string }).version;
  }
  return version;
}
