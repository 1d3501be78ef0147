// What the fleet's tests run: the example worker, a wrapper that forks, and a look at who is running.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const WORKER: string = path("../../examples/fleet-worker/worker");
export const WRAPPER: string = path("./wrapper.sh");
export const SUPERVISOR: string = path("./supervisor.ts");

/** The worker's command line with fault switches. */
export function worker(...switches: string[]): string[] {
  return [WORKER, "-workerId", "{id}", "-port", "{port}", ...switches];
}

/** A text that only processes of one test carry in their arguments. */
export function uniqueTag(): string {
  return `tag-${randomUUID()}`;
}

/** Ids of the living processes whose arguments hold a text. */
export function processesWith(text: string): number[] {
  return execFileSync("ps", ["-axww", "-o", "pid=,stat=,args="])
    .toString()
    .split("\n")
    .filter((line) => line.includes(text))
    .filter((line) => !/^\s*\d+\s+Z/.test(line))
    .map((line) => Number.parseInt(line, 10));
}
