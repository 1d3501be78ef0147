#!/usr/bin/env node
// The command line's entry: everything that can be tested is in program.ts.
import { runCommandLine } from "./program.ts";

process.exitCode = await runCommandLine(process.argv.slice(2));
