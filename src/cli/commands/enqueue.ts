// `millrace enqueue`: one job, and what becomes of it where that is asked for.
import type { Command } from "commander";
import { MillraceError } from "../../core/index.ts";
import type { EnqueueOptions, Operations, Receipt } from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { readInput } from "../input.ts";
import {
  readDuration,
  readName,
  readPriorityNumber,
  readTag,
  readTimeText,
} from "../option-values.ts";
import { type TermsFlags, readTerms, withTermsOptions } from "../terms-flags.ts";
import { print, printJson } from "../output.ts";

interface EnqueueCommandOptions extends ConnectionOptions, TermsFlags {
  readonly delay?: string;
  readonly runAt?: string;
  readonly priority?: number;
  readonly expiresIn?: string;
  readonly queue?: string;
  readonly key?: string;
  readonly tag?: readonly string[];
  readonly label?: readonly string[];
  readonly wait?: true | string;
  readonly follow?: boolean;
}

/** Registers `enqueue`. */
export function registerEnqueue(program: Command): void {
  const command = program
    .command("enqueue")
    .description("enqueue a job")
    .argument("<type>", "the job type's name")
    .argument("[input]", "its input as JSON; - reads it from standard input")
    .option("--delay <duration>", "not before this much time has passed", readDuration)
    .option("--run-at <time>", "not before this time (ISO 8601)", readTimeText)
    .option("--priority <number>", "each step is a minute of head start", readPriorityNumber)
    .option(
      "--expires-in <duration>",
      "not worth starting this long after it was due",
      readDuration,
    )
    .option("--queue <name>", "a queue other than the type's", readName)
    .option("--key <key>", "idempotency key: a second job with it is the first one")
    .option("--tag <tag...>", "tags", readTag)
    .option("--label <label...>", "labels that a worker must offer", readTag)
    .option("--wait [duration]", "wait for the end and print the result", readDuration)
    .option("--follow", "show progress and log lines until the end")
    .addHelpText(
      "after",
      `
Examples:
  $ millrace enqueue Sleep '{"SleepTimeInSeconds": 2, "Message": "Hello"}' --follow
  $ millrace enqueue send-receipt '{"orderId": "o-1"}' --delay 10m --key o-1
  $ cat input.json | millrace enqueue import - --wait 5m --json`,
    );
  withConnectionOptions(withTermsOptions(command)).action(
    async (type: string, input: string | undefined, options: EnqueueCommandOptions) => {
      const value = await readInput(input);
      await using connection = await connect(options, { whereMissing: "create" });
      const { operations } = connection;
      const [receipt] = await operations.enqueueEntries([
        { type, input: value, options: toOptions(options) },
      ]);
      if (receipt === undefined) throw new MillraceError("STORE_FAILED");
      await tell(operations, receipt, options);
    },
  );
}

const DROPPED = "dropped: as many jobs stand under its key as its limit lets run";

async function tell(
  operations: Operations,
  receipt: Receipt,
  options: EnqueueCommandOptions,
): Promise<void> {
  const { id, state, type, isNew, because } = receipt;
  if (options.follow === true) {
    if (because === "dropped") throw new MillraceError("JOB_DROPPED");
    const { followJob } = await import("../follow.ts");
    process.exitCode = await followJob(operations, id, { isJson: options.json === true });
    return;
  }
  if (options.wait !== undefined) {
    const result = await receipt.result(options.wait === true ? {} : { timeout: options.wait });
    if (options.json === true) printJson({ id, type, state: "succeeded", isNew, result });
    else printJson(result);
    return;
  }
  if (options.json === true) printJson({ id, type, state, isNew, because });
  else if (because === "dropped") print(DROPPED);
  else if (because === "debounced") print(`${id} (stood already, and has the newer input now)`);
  else print(isNew ? id : `${id} (stood already)`);
}

function toOptions(options: EnqueueCommandOptions): EnqueueOptions {
  const { delay, runAt, priority, expiresIn, queue, key, tag, label } = options;
  return {
    ...(delay === undefined ? {} : { delay }),
    ...(runAt === undefined ? {} : { runAt }),
    ...(priority === undefined ? {} : { priority }),
    ...(expiresIn === undefined ? {} : { expiresIn }),
    ...(queue === undefined ? {} : { queue }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(label === undefined ? {} : { labels: label }),
    ...readTerms(options),
  };
}
