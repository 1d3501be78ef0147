// The version of this package, as workers and `doctor` tell it.
import { createRequire } from "node:module";

/** This package's version. */
export function packageVersion(): string {
  const manifest = createRequire(import.meta.url)("../../package.json") as { version: string };
  return manifest.version;
}
