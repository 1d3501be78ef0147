// The guardian process: reads group ids from its standard input and, when that ends, kills them all.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";

/** `NAME=value`, as it stands in the environment of every process under guard. */
const mark = process.argv[2] ?? "";
const groups = new Set<number>();
let partial = "";

/** A killed process may have forked just before; two looks without a find end the search. */
const CLEAN_LOOKS = 2;
const MAX_LOOKS = 40;
const LOOK_EVERY_MS = 25;

// Only the end of the pipe ends the guardian: a signal to all of a session must not.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

process.stdin.setEncoding("latin1");
process.stdin.on("data", (text: string) => {
  const lines = (partial + text).split("\n");
  partial = lines.pop() ?? "";
  for (const line of lines) {
    if (line.startsWith("+")) groups.add(Number(line.slice(1)));
    else groups.delete(Number(line.slice(1)));
  }
});
if (mark === "") throw new Error("the guardian needs a mark to look for");
process.stdin.once("close", () => endAll(0, 0));
process.stdin.on("error", () => process.stdin.destroy());

function endAll(looks: number, cleanLooks: number): void {
  for (const pgid of groups) kill(-pgid);
  const marked = markedProcesses();
  for (const pid of marked) kill(pid);
  const clean = marked.length === 0 ? cleanLooks + 1 : 0;
  if (clean >= CLEAN_LOOKS || looks >= MAX_LOOKS) process.exit(0);
  setTimeout(endAll, LOOK_EVERY_MS, looks + 1, clean);
}

function kill(target: number): void {
  // 0 and 1 would be this very group, and everything there is.
  if (!Number.isSafeInteger(target) || Math.abs(target) <= 1) return;
  try {
    process.kill(target, "SIGKILL");
  } catch {
    // Ended by itself meanwhile, or another user's.
  }
}

function markedProcesses(): number[] {
  return process.platform === "linux" ? markedInProc() : markedByPs();
}

function markedInProc(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        // A dead process that nobody has reaped has an empty environment here.
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function markedByPs(): number[] {
  try {
    const options = { encoding: "latin1", maxBuffer: 64 * 1024 * 1024 } as const;
    const lines = execFileSync("ps", ["-axEww", "-o", "pid=,command="], options).split("\n");
    return (
      lines
        .filter((line) => line.split(" ").includes(mark))
        .map((line) => Number.parseInt(line, 10))
        // This listing shows arguments too, so the guardian's own line has the mark.
        .filter((pid) => pid !== process.pid)
    );
  } catch {
    return [];
  }
}
