// `millrace limits`: what holds over all workers, and changes of it while work goes on.
import type { Command } from "commander";
import {
  type LimitRecord,
  MAX_LIMIT,
  MillraceError,
  QUEUE_LIMIT,
  type Rate,
  formatDuration,
} from "../../core/index.ts";
import type { LimitChangeOptions } from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { readName, readRateText } from "../option-values.ts";
import { clean, print, printJson, table } from "../output.ts";
import { lookForQueue, warnOfUnknown } from "../unknown-queue.ts";
import { whoami } from "../whoami.ts";

interface LimitOptions extends ConnectionOptions {
  readonly name?: string;
  readonly concurrency?: string;
  readonly rate?: string;
  readonly key?: string;
}

/** Registers `limits` with its family. */
export function registerLimits(program: Command): void {
  const limits = program.command("limits").description("see and change limits over all workers");
  registerList(limits);
  registerSet(limits);
  registerReset(limits);
  registerRelease(limits);
}

function registerList(limits: Command): void {
  const command = limits
    .command("list", { isDefault: true })
    .description("list the limits that hold, and how far they are used")
    .argument("[queue]", "only those of this queue")
    .option("--name <limit>", "with --key: the limit of the key (key)", readName)
    .option("--key <key>", "how far this key of the limit is used, too")
    .addHelpText("after", "\nExample:\n  $ millrace limits mail --name customer --key acme");
  withConnectionOptions(command).action(
    async (queue: string | undefined, options: LimitOptions) => {
      const { name = "key", key } = options;
      if (key === undefined ? options.name !== undefined : queue === undefined) {
        throw new MillraceError("INVALID_ARGUMENT", {
          message:
            "--key says which key of a queue's limit, so it needs the queue, and --name needs it: millrace limits QUEUE --name LIMIT --key KEY",
        });
      }
      await using connection = await connect(options);
      const records = await connection.operations.limits({
        ...(queue === undefined ? {} : { queue }),
        ...(key === undefined ? {} : { keys: [{ limit: name, key }] }),
      });
      show(records, options);
    },
  );
}

function registerSet(limits: Command): void {
  const command = limits
    .command("set")
    .description("change a limit for all workers, without a restart")
    .argument("<queue>", "the queue's name")
    .option("--name <limit>", "the limit's name; that of the whole queue by default", readName)
    .option("--concurrency <count>", 'jobs that run at once, or "none" for any number')
    .option(
      "--rate <rate>",
      'starts within a time ("100/s"), or "none" for any number',
      readRateText,
    )
    .addHelpText("after", "\nExample:\n  $ millrace limits set mail --concurrency 20 --rate 100/s");
  withConnectionOptions(command).action(async (queue: string, options: LimitOptions) => {
    const change = readChange(options);
    await using connection = await connect(options);
    const { operations } = connection;
    const look = await lookForQueue(operations, queue);
    await operations.setLimit(queue, { ...change, by: whoami() });
    const records = await operations.limits({ queue });
    show(records, options);
    if (look.isKnown) warnOfNoEffect(records, queue, options);
    else {
      const name = options.name === undefined ? "" : ` --name ${options.name}`;
      warnOfUnknown(queue, look, {
        means: "this holds from when one does",
        undo: `limits reset ${queue}${name}`,
      });
    }
  });
}

function registerReset(limits: Command): void {
  const command = limits
    .command("reset")
    .description("take a change back: what the job types declare holds again")
    .argument("<queue>", "the queue's name")
    .option("--name <limit>", "the limit's name; that of the whole queue by default", readName)
    .addHelpText("after", "\nExample:\n  $ millrace limits reset mail");
  withConnectionOptions(command).action(async (queue: string, options: LimitOptions) => {
    await using connection = await connect(options);
    const { name } = options;
    await connection.operations.resetLimit(queue, {
      ...(name === undefined ? {} : { name }),
      by: whoami(),
    });
    show(await connection.operations.limits({ queue }), options);
  });
}

function registerRelease(limits: Command): void {
  const command = limits
    .command("release")
    .description("lift a handler's push-back before its time, on all workers")
    .argument("<queue>", "the queue's name")
    .option("--name <limit>", "with --key: the limit of the key", readName)
    .option("--key <key>", "release this key alone; the whole queue by default")
    .addHelpText(
      "after",
      "\nExamples:\n  $ millrace limits release mail\n  $ millrace limits release mail --name customer --key acme",
    );
  withConnectionOptions(command).action(async (queue: string, options: LimitOptions) => {
    const { name, key } = options;
    if ((name ?? QUEUE_LIMIT) === QUEUE_LIMIT ? key !== undefined : key === undefined) {
      throw new MillraceError("INVALID_ARGUMENT", {
        message:
          "--name and --key go together: a handler holds one key of a limit, or the whole queue",
      });
    }
    await using connection = await connect(options);
    const look = await lookForQueue(connection.operations, queue);
    const { heldUntilMs } = await connection.operations.releaseLimit(queue, {
      ...(name === undefined ? {} : { name }),
      ...(key === undefined ? {} : { key }),
    });
    if (options.json === true) printJson({ queue, heldUntilMs });
    else {
      const of = clean(key === undefined ? queue : `${queue}, ${name} ${key}`);
      if (heldUntilMs === null) print(`${of}: no handler holds it`);
      else print(`${of} goes on: it was held until ${new Date(heldUntilMs).toISOString()}`);
    }
    if (heldUntilMs === null) warnOfUnknown(queue, look, { means: "there was nothing to release" });
  });
}

/** A limit of a key counts the jobs whose type declares its name: a mistyped one holds nothing back. */
function warnOfNoEffect(
  records: readonly LimitRecord[],
  queue: string,
  { name: asked }: LimitOptions,
): void {
  const isDeclared = records.some(({ name, declared }) => name === asked && declared !== null);
  if (asked === undefined || asked === QUEUE_LIMIT || isDeclared) return;
  const names = records.filter(({ declared }) => declared !== null).map(({ name }) => name);
  const known = names.length === 0 ? "none" : names.map(clean).join(", ");
  console.error(
    `no job type of ${clean(queue)} declares a limit ${clean(asked)}, so no job counts under it yet; declared: ${known}`,
  );
}

function readChange({ name, concurrency, rate }: LimitOptions): LimitChangeOptions {
  if (concurrency === undefined && rate === undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: "say what to change: --concurrency, --rate, or both",
    });
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(concurrency === undefined ? {} : { concurrency: readCount(concurrency) }),
    ...(rate === undefined ? {} : { rate: rate === "none" ? null : rate }),
  };
}

function readCount(text: string): number | null {
  if (text === "none") return null;
  if (/^\d+$/.test(text) && Number(text) <= MAX_LIMIT) return Number(text);
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `--concurrency is ${JSON.stringify(text)}; expected a whole number from 0 to ${MAX_LIMIT}, or none`,
  });
}

function show(records: readonly LimitRecord[], { json }: ConnectionOptions): void {
  if (json === true) printJson(records);
  else if (records.length === 0) print("no limits");
  else {
    const rows = records.map((record) => [
      clean(record.queue),
      clean(record.key === null ? record.name : `${record.name} ${record.key}`),
      record.concurrency ?? "any",
      record.running,
      record.rate === null ? "any" : rateText(record.rate),
      opensText(record),
      clean(record.set?.by ?? ""),
    ]);
    const head = ["QUEUE", "LIMIT", "CONCURRENCY", "RUNNING", "RATE", "OPENS IN", "CHANGED BY"];
    for (const line of table(head, rows)) print(line);
  }
}

function opensText({ opensInMs, pushedBackUntilMs }: LimitRecord): string {
  if (opensInMs === 0) return "";
  return `${formatDuration(opensInMs)}${pushedBackUntilMs === null ? "" : " (pushed back)"}`;
}

/** As it is given: `100/s`, `10/2s`. */
function rateText({ limit, perMs }: Rate): string {
  return `${limit}/${formatDuration(perMs).replace(/^1([a-z]+)$/, "$1")}`;
}
