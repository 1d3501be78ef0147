// `millrace start`, `serve` and `worker`: the processes.
import type { Command } from "commander";
import type { MillraceConfig } from "../../config/index.ts";
import { type ConnectionOptions, readConfig, withStoreOptions } from "../connection.ts";
import { readCount, readPort } from "../option-values.ts";

interface ServiceOptions extends ConnectionOptions {
  readonly host?: string;
  readonly port?: number;
}
interface WorkerOptions extends ConnectionOptions {
  readonly queues?: readonly string[];
  readonly labels?: readonly string[];
  readonly concurrency?: number;
}

/** Registers `start`. */
export function registerStart(program: Command): void {
  const command = program
    .command("start")
    .description("run a job service and a worker in this process")
    .addHelpText("after", "\nExample:\n  $ millrace start --port 8000 --concurrency 20");
  withWorkerOptions(withServiceOptions(withStoreOptions(command))).action(
    async (options: ServiceOptions & WorkerOptions) => {
      const config = overrideWorker(overrideHttp(await readConfig(options), options), options);
      await run(config, { isService: true, isWorker: true });
    },
  );
}

/** Registers `serve`. */
export function registerServe(program: Command): void {
  const command = program
    .command("serve")
    .description("run a job service alone; workers elsewhere run the jobs")
    .addHelpText("after", "\nExample:\n  $ millrace serve --store sqlite:millrace.db");
  withServiceOptions(withStoreOptions(command)).action(async (options: ServiceOptions) => {
    const config = overrideHttp(await readConfig(options), options);
    await run(config, { isService: true, isWorker: false });
  });
}

/** Registers `worker`. */
export function registerWorker(program: Command): void {
  const command = program
    .command("worker")
    .description("run a worker alone")
    .addHelpText("after", "\nExample:\n  $ millrace worker --queues mail,reports --concurrency 50");
  withWorkerOptions(withStoreOptions(command)).action(async (options: WorkerOptions) => {
    const config = overrideWorker(await readConfig(options), options);
    await run(config, { isService: false, isWorker: true });
  });
}

/** The processes are loaded when one is run, so that help and completion stay quick. */
async function run(
  config: MillraceConfig,
  parts: { readonly isService: boolean; readonly isWorker: boolean },
): Promise<void> {
  const { runUntilStopped } = await import("../processes.ts");
  await runUntilStopped(config, parts);
}

function withServiceOptions(command: Command): Command {
  return command
    .option("--host <address>", "address to listen on")
    .option("--port <number>", "port to listen on; 0 takes a free one", readPort);
}

function withWorkerOptions(command: Command): Command {
  return command
    .option("--queues <names>", "serve only these queues, with commas between", readList)
    .option("--labels <labels>", "offer these labels, with commas between", readList)
    .option("--concurrency <number>", "most jobs at once", readCount);
}

function readList(text: string): readonly string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function overrideHttp(config: MillraceConfig, options: ServiceOptions): MillraceConfig {
  const { host, port } = options;
  return {
    ...config,
    http: {
      ...config.http,
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
    },
  };
}

function overrideWorker(config: MillraceConfig, options: WorkerOptions): MillraceConfig {
  const { queues, labels, concurrency } = options;
  return {
    ...config,
    worker: {
      ...config.worker,
      ...(queues === undefined ? {} : { queues }),
      ...(labels === undefined ? {} : { labels }),
      ...(concurrency === undefined ? {} : { concurrency }),
    },
  };
}
