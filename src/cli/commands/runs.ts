// `millrace run`, `signal` and `graph`: workflow runs looked at, told something, and made of data.
import type { Command } from "commander";
import { type JobId, MillraceError, isTerminal } from "../../core/index.ts";
import type { Operations, RunView } from "../../runtime/index.ts";
import { GRAPH_WORKFLOW, prepareGraph } from "../../workflow/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { readDocument, readInput } from "../input.ts";
import { print, printJson } from "../output.ts";
import { readJobId } from "../option-values.ts";

interface RunOptions extends ConnectionOptions {
  readonly follow?: boolean;
}

/** Registers `run`. */
export function registerRun(program: Command): void {
  const command = program
    .command("run")
    .description("show a workflow run: its steps as a tree, with a timeline")
    .argument("<id>", "the run's id", readJobId)
    .option("--follow", "show it live until it ends")
    .addHelpText(
      "after",
      "\nExample:\n  $ millrace run 0199d3c0-0000-7000-8000-000000000001 --follow",
    );
  withConnectionOptions(command).action(async (id: JobId, options: RunOptions) => {
    await using connection = await connect(options);
    const { operations } = connection;
    if (options.follow === true) {
      const { followRun } = await import("../follow-run.ts");
      process.exitCode = await followRun(operations, id, { isJson: options.json === true });
      return;
    }
    const run = await knownRun(operations, id);
    if (options.json === true) return printJson(run);
    const { drawWithChildren } = await import("../follow-run.ts");
    print(...(await drawWithChildren(operations, run)));
    if (!isTerminal(run.state)) print(`live: millrace run ${id} --follow`);
  });
}

/**
 * A run that there is.
 *
 * @throws MillraceError `JOB_NOT_FOUND`
 */
async function knownRun({ runs }: Operations, id: JobId): Promise<RunView> {
  const run = await runs.get(id);
  if (run !== null) return run;
  throw new MillraceError("JOB_NOT_FOUND", {
    message: `no run ${id} is kept: the id is wrong, or the run ended and its time was over`,
  });
}

/** Registers `signal`. */
export function registerSignal(program: Command): void {
  const command = program
    .command("signal")
    .description("tell a workflow run something that it waits for, or will")
    .argument("<id>", "the run's id", readJobId)
    .argument("<name>", "the signal's name")
    .argument("[payload]", "what it is told, as JSON; - reads it from standard input")
    .addHelpText(
      "after",
      `\nExample:\n  $ millrace signal 0199d3c0-0000-7000-8000-000000000001 approved '{"by": "ada"}'`,
    );
  withConnectionOptions(command).action(
    async (id: JobId, name: string, payload: string | undefined, options: ConnectionOptions) => {
      const value = await readInput(payload);
      await using connection = await connect(options);
      await connection.operations.runs.signal(id, name, value);
      if (options.json === true) printJson({ id, name, sent: true });
      else print(`sent ${name} to ${id}`);
    },
  );
}

interface GraphCommandOptions extends ConnectionOptions {
  readonly input?: string;
  readonly check?: boolean;
  readonly follow?: boolean;
  readonly tag?: readonly string[];
}

/** Registers `graph`. */
export function registerGraph(program: Command): void {
  const command = program
    .command("graph")
    .description("check a graph whole, and run it as a workflow")
    .argument("<file>", "the graph as JSON; - reads it from standard input")
    .option("--input <json>", "what references to input stand for, as JSON")
    .option("--check", "only check it")
    .option("--tag <tag...>", "tags of the run")
    .option("--follow", "show the run live until it ends")
    .addHelpText(
      "after",
      `
Examples:
  $ millrace graph provision.json --input '{"tenant": "acme"}' --follow
  $ millrace graph provision.json --check`,
    );
  withConnectionOptions(command).action(async (file: string, options: GraphCommandOptions) => {
    const wanted = await readDocument(file);
    const input = await readInput(options.input);
    const whereMissing = options.check === true ? "leave" : "create";
    await using connection = await connect(options, { whereMissing });
    const { operations } = connection;
    const posted = prepareGraph(wanted, input ?? null, await operations.types());
    if (options.check === true) {
      const steps = Object.keys(posted.graph.steps).length;
      if (options.json === true) printJson({ ok: true, steps });
      else print(`the graph can run: ${steps} steps`);
      return;
    }
    const [receipt] = await operations.enqueueEntries([
      {
        type: GRAPH_WORKFLOW,
        input: posted,
        options: options.tag === undefined ? {} : { tags: options.tag },
      },
    ]);
    if (receipt === undefined) throw new MillraceError("STORE_FAILED");
    if (options.follow === true) {
      const { followRun } = await import("../follow-run.ts");
      process.exitCode = await followRun(operations, receipt.id, {
        isJson: options.json === true,
      });
      return;
    }
    if (options.json === true) printJson({ id: receipt.id, state: receipt.state });
    else print(receipt.id);
  });
}
