// Jobs a second through Millrace's launchers, on a store in memory: what the launcher costs, not the disk.
import {
  type JobHandler,
  type Launcher,
  createHttpLauncher,
  createProcessLauncher,
  createThreadLauncher,
  defineJob,
  openMillrace,
} from "../../../src/index.ts";
import { listenJobService } from "../../../src/http/index.ts";
import { AT_ONCE, INPUT, MODULE, PROGRAM, startEchoService } from "./places.ts";

type Handler = JobHandler<unknown, unknown>;

async function paceOf(
  jobs: number,
  handler: Handler,
  { launchers = [], attend }: { launchers?: readonly Launcher[]; attend?: Attend } = {},
): Promise<number> {
  const echo = defineJob({
    name: "echo",
    retry: { attempts: 1 },
    retention: { succeeded: "remove" },
    ...handler,
  });
  await using mill = await openMillrace({
    store: "memory:",
    jobs: [echo],
    launchers,
    logger: false,
    worker: { concurrency: AT_ONCE },
  });
  const ended = await attend?.(mill);
  try {
    const run = async (count: number): Promise<void> => {
      const receipts = await mill.enqueueMany(
        echo,
        Array.from({ length: count }, () => INPUT),
      );
      await Promise.all(receipts.map((receipt) => receipt.result()));
    };
    await mill.start();
    await run(2 * AT_ONCE);
    const startedAtMs = performance.now();
    await run(jobs);
    return jobs / ((performance.now() - startedAtMs) / 1_000);
  } finally {
    await ended?.();
  }
}

type Attend = (mill: Awaited<ReturnType<typeof openMillrace>>) => Promise<() => Promise<void>>;

export function functions(jobs: number): Promise<number> {
  return paceOf(jobs, { run: ({ input }) => input });
}

export function threads(jobs: number): Promise<number> {
  return paceOf(
    jobs,
    { launch: { launcher: "thread", options: { module: MODULE } } },
    { launchers: [createThreadLauncher({ maxThreads: AT_ONCE })] },
  );
}

export function programs(jobs: number, { isWarm }: { isWarm: boolean }): Promise<number> {
  const options = { command: PROGRAM, ...(isWarm ? { warm: true } : {}) };
  const launchers = [createProcessLauncher({ maxWarm: AT_ONCE })];
  return paceOf(jobs, { launch: { launcher: "process", options } }, { launchers });
}

export async function calls(jobs: number, { isWarm }: { isWarm: boolean }): Promise<number> {
  await using service = await startEchoService({ keepsAlive: isWarm });
  return await paceOf(
    jobs,
    { launch: { launcher: "http", options: { url: service.url } } },
    { launchers: [createHttpLauncher({ allowedHosts: ["127.0.0.1"] })] },
  );
}

/** Workers of one process that claim one job at a time over HTTP. */
export function remote(jobs: number): Promise<number> {
  return paceOf(
    jobs,
    { launch: { launcher: "remote" } },
    {
      attend: async (mill) => {
        const service = await listenJobService({ operations: mill, port: 0 });
        const ended = new AbortController();
        const working = Array.from({ length: AT_ONCE }, () => work(service.url, ended.signal));
        return async () => {
          ended.abort();
          await Promise.all(working);
          await service.close();
        };
      },
    },
  );
}

interface Claim {
  readonly worker: string;
  readonly jobs: readonly {
    readonly id: string;
    readonly token: string;
    readonly input: unknown;
  }[];
}

async function work(url: string, signal: AbortSignal): Promise<void> {
  const post = async (path: string, body: object): Promise<Response> =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  const claim: { types: string[]; wait: string; worker?: string } = { types: ["echo"], wait: "5s" };
  try {
    for (;;) {
      const given = (await (await post("/v1/claims", claim)).json()) as Claim;
      claim.worker = given.worker;
      for (const { id, token, input } of given.jobs) {
        await post(`/v1/claims/${id}/settle`, { token, kind: "result", value: input });
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
