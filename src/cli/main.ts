#!/usr/bin/env node
// The command line's entry: everything that can be tested is in program.ts.
import module from "node:module";

/** The first Node that has `node:sqlite` without a flag and reads a config in TypeScript. */
const [MIN_MAJOR, MIN_MINOR] = [22, 18];

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < MIN_MAJOR || (major === MIN_MAJOR && minor < MIN_MINOR)) {
  console.error(
    `millrace: this is Node ${process.versions.node}; expected ${MIN_MAJOR}.${MIN_MINOR} or later. Install it, or add the npm package "node" to your project and use npx`,
  );
  process.exitCode = 1;
} else {
  // From source, `millrace jobs` takes 0.9 s of processor time without the cache and 0.4 s with it.
  module.enableCompileCache();
  // Loaded only now: on an older Node the very import would fail without a word of why.
  const { endWithReader, runCommandLine } = await import("./program.ts");
  process.stdout.once("error", endWithReader);
  process.exitCode = await runCommandLine(process.argv.slice(2));
}
