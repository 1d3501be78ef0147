// The same work without Millrace: what the means itself (a thread, a program, a call) gives at best.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import { AT_ONCE, INPUT, MODULE, PROGRAM, startEchoService } from "./places.ts";

const JOB = JSON.stringify({ kind: "job", input: INPUT });

/** Does one job; made once for each that are under way. */
interface Doer extends AsyncDisposable {
  readonly run: () => Promise<unknown>;
}

/** Jobs a second of so many doers, after a first job each. */
async function pace(jobs: number, open: () => Promise<Doer>): Promise<number> {
  const doers = await Promise.all(Array.from({ length: AT_ONCE }, open));
  try {
    await Promise.all(doers.map(({ run }) => run()));
    const startedAtMs = performance.now();
    let left = jobs;
    const work = async ({ run }: Doer): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await run();
      }
    };
    await Promise.all(doers.map(work));
    return jobs / ((performance.now() - startedAtMs) / 1_000);
  } finally {
    await Promise.all(doers.map((doer) => doer[Symbol.asyncDispose]()));
  }
}

const nothing = async (): Promise<void> => {};

async function callFunction(): Promise<unknown> {
  return JSON.stringify(JSON.parse(JOB));
}

export function bareFunctions(jobs: number): Promise<number> {
  return pace(jobs, async () => ({ run: callFunction, [Symbol.asyncDispose]: nothing }));
}

export function bareThreads(jobs: number): Promise<number> {
  return pace(jobs, async () => {
    const worker = new Worker(MODULE, { workerData: "bare" });
    return {
      run: async () => {
        worker.postMessage(JOB);
        return once(worker, "message");
      },
      [Symbol.asyncDispose]: async () => void (await worker.terminate()),
    };
  });
}

export function bareWarmPrograms(jobs: number): Promise<number> {
  return pace(jobs, async () => {
    const [command = "", ...words] = PROGRAM;
    const child = spawn(command, words, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    await once(lines, "line");
    return {
      run: async () => {
        const answered = once(lines, "line");
        child.stdin.write(`${JOB}\n`);
        return answered;
      },
      [Symbol.asyncDispose]: async () => {
        child.stdin.end();
        await once(child, "exit");
      },
    };
  });
}

export function bareColdPrograms(jobs: number): Promise<number> {
  const [command = "", ...words] = PROGRAM;
  const run = async (): Promise<void> => {
    const child = spawn(command, words, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdout.resume();
    child.stdin.end(`${JOB}\n`);
    await once(child, "close");
  };
  return pace(jobs, async () => ({ run, [Symbol.asyncDispose]: nothing }));
}

export async function bareCalls(jobs: number, { isWarm }: { isWarm: boolean }): Promise<number> {
  await using service = await startEchoService({ keepsAlive: isWarm });
  const agent = new Agent({ keepAlive: isWarm });
  try {
    return await pace(jobs, async () => ({
      run: () => call(service.url, agent),
      [Symbol.asyncDispose]: nothing,
    }));
  } finally {
    agent.destroy();
  }
}

function call(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", agent }, (reply) => {
      reply.resume().on("end", resolve).on("error", reject);
    });
    sent.on("error", reject);
    sent.end(JOB);
  });
}
