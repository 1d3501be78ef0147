// The way that comes to mind first: all workers at once, the samples divided evenly, a crashed one started again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:net";
import { idealTimeMs } from "../../../src/fleet/collect/ideal.ts";
import type { Life } from "../../../src/fleet/collect/ideal.ts";
import { findFreePort } from "../../../src/processes/index.ts";
import { type Task, WORKER } from "./task.ts";

const RETRY_MS = 50;

/** Collects the task's samples; milliseconds from the first spawn, and the ideal for the same lives. */
export async function collectNaively(task: Task): Promise<{ elapsedMs: number; idealMs: number }> {
  const startedAtMs = performance.now();
  const lives: Life[] = [];
  const share = Math.floor(task.samples / task.workers);
  const rest = task.samples % task.workers;
  await Promise.all(
    Array.from({ length: task.workers }, (_, index) =>
      giveShare(task, index + 1, share + (index < rest ? 1 : 0), lives, startedAtMs),
    ),
  );
  const elapsedMs = performance.now() - startedAtMs;
  return { elapsedMs, idealMs: idealTimeMs(lives, task.samples, task.paceMs) ?? elapsedMs };
}

async function giveShare(
  task: Task,
  id: number,
  share: number,
  lives: Life[],
  startedAtMs: number,
): Promise<void> {
  for (let left = share; left > 0;) {
    const port = await findFreePort(new Set());
    const child = startWorker(id, port, task.switches);
    const exited = once(child, "exit");
    const isReady = await untilReady(port, child);
    const life = { readyAtMs: performance.now() - startedAtMs, endedAtMs: Infinity };
    if (isReady) {
      lives.push(life);
      void exited.then(() => (life.endedAtMs = performance.now() - startedAtMs));
      left -= await readLines(`http://localhost:${port}/rnd?n=${left}`);
    }
    child.kill("SIGKILL");
    await exited;
  }
}

/** Starts as many workers as are asked for, all at once, and waits until each takes a connection. */
export async function spawnNaively(workers: number): Promise<number> {
  const startedAtMs = performance.now();
  const ports = new Set<number>();
  while (ports.size < workers) ports.add(await findFreePort(ports));
  const children = [...ports].map((port, index) => startWorker(index + 1, port, []));
  await Promise.all([...ports].map((port, index) => untilReady(port, children[index]!)));
  const elapsedMs = performance.now() - startedAtMs;
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => once(child, "exit")));
  return elapsedMs;
}

function startWorker(id: number, port: number, switches: readonly string[]): ChildProcess {
  const words = ["-workerId", String(id), "-port", String(port), ...switches];
  return spawn(WORKER, words, { stdio: "ignore" });
}

async function untilReady(port: number, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(port, "localhost");
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return true;
    await sleep(RETRY_MS);
  }
  return false;
}

/** Samples that came before the stream ended, in whatever way. */
function readLines(url: string): Promise<number> {
  return new Promise((resolve) => {
    let samples = 0;
    const request = get(url, { agent: false }, (response) => {
      response.on("data", (part: Buffer) => {
        samples += part.toString().split("\n").length - 1;
      });
      response.on("error", () => undefined);
    });
    request.on("error", () => undefined);
    request.on("close", () => resolve(samples));
  });
}
