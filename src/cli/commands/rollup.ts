// `millrace rollup`: counts the messages of a WebSocket server by parent and reports every interval.
import { type Command, InvalidArgumentError } from "commander";
import type { AggregatorOptions } from "../../rollup/index.ts";
import { readCount, readPort } from "../option-values.ts";

/** The command's options as commander hands them over. */
interface RollupCommandOptions {
  readonly every: string;
  readonly aligned?: true;
  readonly skipEmpty?: true;
  readonly maxPairs?: number;
  readonly maxIds?: number;
  readonly overflowId?: string;
  readonly holdFor?: string;
  readonly holdMessages?: number;
  readonly maxFrameBytes?: number;
  readonly pingEvery?: string;
  readonly maxKept?: number;
  readonly undelivered?: string;
  readonly drain?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly json?: true;
  readonly metricsPort?: number;
}

/** Adds `millrace rollup [url]`. */
export function registerRollup(program: Command): void {
  program
    .command("rollup")
    .description("count messages between children by their parents and report back every interval")
    .argument("[url]", "the server of messages", "ws://localhost:5050/ws")
    .option("--every <duration>", "from one report to the next", "60s")
    .option("--aligned", "report on multiples of the wall clock, full minutes for example")
    .option("--skip-empty", "send nothing for an interval without messages")
    .option("--max-pairs <number>", "distinct pairs per report; what is past it is told", readCount)
    .option("--max-ids <number>", "children and parents together", readCount)
    .option("--overflow-id <uuid>", "name pairs past the bound with this id in a last row")
    .option("--hold-for <duration>", "how long a message waits for its association")
    .option("--hold-messages <number>", "how many messages wait at most", readCount)
    .option("--max-frame-bytes <number>", "largest message taken", readCount)
    .option("--ping-every <duration>", "notice a dead server after one to two of these")
    .option("--max-kept <number>", "reports kept while they cannot be sent", readCount)
    .option("--undelivered <file>", "where reports go that cannot be sent before the end")
    .option("--drain <duration>", "how long to try to send at the end")
    .option("--header <name=value>", "an HTTP header of the handshake; can be repeated", header)
    .option("--json", "tell everything as one JSON object a line, windows with their rows")
    .option("--metrics-port <port>", "serve Prometheus metrics on this loopback port", readPort)
    .addHelpText(
      "after",
      `
Ctrl-C or SIGTERM ends the open window, sends it and closes.

Examples:
  $ millrace rollup ws://localhost:5050/ws --every 60s
  $ millrace rollup --every 1m --aligned --undelivered reports.ndjson
  $ millrace rollup --json | jq 'select(.kind == "window") | .messages'`,
    )
    .action(async (url: string, options: RollupCommandOptions) => {
      const { runRollup } = await import("../rollup-run.ts");
      await runRollup(toAggregatorOptions(url, options), options);
    });
}

/** The library's options for the command's. */
function toAggregatorOptions(url: string, options: RollupCommandOptions): AggregatorOptions {
  const hold = {
    ...defined("maxMessages", options.holdMessages),
    ...defined("maxWait", options.holdFor),
  };
  return {
    url,
    every: options.every,
    aligned: options.aligned ?? false,
    sendEmpty: options.skipEmpty !== true,
    hold,
    ...defined("maxPairs", options.maxPairs),
    ...defined("maxIds", options.maxIds),
    ...defined("overflowId", options.overflowId),
    ...defined("maxFrameBytes", options.maxFrameBytes),
    ...defined("pingEvery", options.pingEvery),
    ...defined("maxKept", options.maxKept),
    ...defined("undeliveredFile", options.undelivered),
    ...defined("drain", options.drain),
    ...defined("headers", options.header),
  };
}

function defined<K extends string, V>(name: K, value: V | undefined): { readonly [N in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [N in K]: V });
}

function header(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Expected name=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
