// `millrace cancel`, `retry`, `remove`, `pause` and `resume`: change what is there.
import type { Command } from "commander";
import type { ChangeReply } from "../../core/index.ts";
import type { Operations } from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { print, printJson } from "../output.ts";
import { whoami } from "../whoami.ts";

interface ReasonOptions extends ConnectionOptions {
  readonly reason?: string;
}

type Change = (
  operations: Operations,
  ids: readonly string[],
  options: ReasonOptions,
) => Promise<readonly ChangeReply[]>;

/** Registers `cancel`. */
export function registerCancel(program: Command): void {
  const command = registerChange(
    program,
    { name: "cancel", done: "cancelled", description: "cancel jobs, waiting or running" },
    (operations, ids, { reason }) => operations.cancel(ids, reason === undefined ? {} : { reason }),
  );
  command.option("--reason <text>", "why, kept with the job");
}

/** Registers `retry`. */
export function registerRetry(program: Command): void {
  registerChange(
    program,
    {
      name: "retry",
      done: "ready again",
      description: "make jobs that failed or were cancelled ready again",
    },
    (operations, ids) => operations.retry(ids),
  );
}

/** Registers `remove`. */
export function registerRemove(program: Command): void {
  registerChange(
    program,
    {
      name: "remove",
      done: "removed",
      description: "remove jobs that do not run, with all that is kept of them",
    },
    (operations, ids) => operations.remove(ids),
  );
}

function registerChange(
  program: Command,
  {
    name,
    done,
    description,
  }: { readonly name: string; readonly done: string; readonly description: string },
  change: Change,
): Command {
  const command = program
    .command(name)
    .description(description)
    .argument("<id...>", "ids of jobs")
    .addHelpText("after", `\nExample:\n  $ millrace ${name} 0199d3c0-...`);
  return withConnectionOptions(command).action(
    async (ids: readonly string[], options: ReasonOptions) => {
      await using connection = await connect(options);
      const replies = await change(connection.operations, ids, options);
      tellChanges(ids, replies, done, options.json === true);
    },
  );
}

function tellChanges(
  ids: readonly string[],
  replies: readonly ChangeReply[],
  done: string,
  isJson: boolean,
): void {
  if (isJson) printJson(replies.map((reply, index) => ({ id: ids[index], ...reply })));
  for (const [index, reply] of replies.entries()) {
    const id = ids[index] ?? "";
    if (reply.changed) {
      if (!isJson) print(`${id} ${reply.state === "running" ? "asked to stop" : done}`);
      continue;
    }
    process.exitCode = reply.state === null ? EXIT_CODES.notFound : EXIT_CODES.jobFailed;
    if (!isJson) {
      print(`${id} ${reply.state === null ? "is not kept" : `is ${reply.state}: not changed`}`);
    }
  }
}

/** Registers `pause`. */
export function registerPause(program: Command): void {
  const command = program
    .command("pause")
    .description("pause a queue: nothing of it is started, what runs goes on")
    .argument("<queue>", "the queue's name")
    .option("--reason <text>", "why, for whoever looks later")
    .addHelpText("after", '\nExample:\n  $ millrace pause mail --reason "provider is down"');
  withConnectionOptions(command).action(async (queue: string, options: ReasonOptions) => {
    await using connection = await connect(options);
    const { reason } = options;
    await connection.operations.pause(queue, {
      by: whoami(),
      ...(reason === undefined ? {} : { reason }),
    });
    tellQueue(queue, true, options);
  });
}

/** Registers `resume`. */
export function registerResume(program: Command): void {
  const command = program
    .command("resume")
    .description("resume a paused queue")
    .argument("<queue>", "the queue's name")
    .addHelpText("after", "\nExample:\n  $ millrace resume mail");
  withConnectionOptions(command).action(async (queue: string, options: ConnectionOptions) => {
    await using connection = await connect(options);
    await connection.operations.resume(queue, { by: whoami() });
    tellQueue(queue, false, options);
  });
}

function tellQueue(name: string, paused: boolean, { json }: ConnectionOptions): void {
  if (json === true) printJson({ name, paused });
  else print(`${name} ${paused ? "paused" : "resumed"}`);
}
