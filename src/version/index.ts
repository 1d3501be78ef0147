// The version of this package, as workers, services and the command line tell it.
import { readFileSync } from "node:fs";

let version: string | undefined;

/** This package's version. `src/` and `dist/` lie equally deep, so the one path serves both. */
export function packageVersion(): string {
  if (version === undefined) {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    version = (JSON.parse(text) as { version: string }).version;
  }
  return version;
}
