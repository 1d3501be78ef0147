// `millrace top`: queues, workers and rates, live on the whole screen.
import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../../core/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { print, printJson } from "../output.ts";

interface TopOptions extends ConnectionOptions {
  readonly interval: number;
  readonly once?: boolean;
}

/** Faster than anyone reads, and each frame asks the store three times. */
const MIN_INTERVAL_MS = 100;

/** Registers `top`. */
export function registerTop(program: Command): void {
  const command = program
    .command("top")
    .description("watch queues, workers and rates live; q ends it")
    .option("--interval <duration>", "time between two looks", readInterval, 1_000)
    .option("--once", "print one frame and end, as where there is no terminal")
    .addHelpText(
      "after",
      "\nExample:\n  $ millrace top --url http://127.0.0.1:8000 --interval 500ms",
    );
  withConnectionOptions(command).action(async (options: TopOptions) => {
    await using connection = await connect(options);
    const { readFrame, renderFrame, watch } = await import("../top.ts");
    if (options.json === true) {
      return printJson(await readFrame(connection.operations, new Map()));
    }
    if (options.once === true || !process.stdout.isTTY) {
      const frame = await readFrame(connection.operations, new Map());
      return print(...renderFrame(frame, connection.where, { columns: 120, rows: 1_000 }));
    }
    await watch(connection, options.interval);
  });
}

function readInterval(text: string): number {
  const intervalMs = parseDuration(text, "interval");
  if (intervalMs < MIN_INTERVAL_MS) {
    throw new InvalidArgumentError(`Expected at least ${MIN_INTERVAL_MS}ms.`);
  }
  return intervalMs;
}
