// Builds the published library: plain tsc into a fresh dist/, and the command line made executable.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
const compiled = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
const commandLine = "dist/cli/main.js";
if (existsSync(commandLine)) chmodSync(commandLine, 0o755);
