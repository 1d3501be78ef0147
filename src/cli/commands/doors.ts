// `millrace pause`, `drain` and `resume`: close the doors of a queue, and open them.
import type { Command } from "commander";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { print, printJson } from "../output.ts";
import { whoami } from "../whoami.ts";

interface ReasonOptions extends ConnectionOptions {
  readonly reason?: string;
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

/** Registers `drain`. */
export function registerDrain(program: Command): void {
  const command = program
    .command("drain")
    .description("let a queue take nothing new in, while what is there runs out")
    .argument("<queue>", "the queue's name")
    .option("--reason <text>", "why, for whoever looks later")
    .addHelpText("after", '\nExample:\n  $ millrace drain mail --reason "moves to the new host"');
  withConnectionOptions(command).action(async (queue: string, options: ReasonOptions) => {
    await using connection = await connect(options);
    const { reason } = options;
    await connection.operations.drain(queue, {
      by: whoami(),
      ...(reason === undefined ? {} : { reason }),
    });
    if (options.json === true) printJson({ name: queue, draining: true });
    else print(`${queue} takes nothing new in`);
  });
}

/** Registers `resume`. */
export function registerResume(program: Command): void {
  const command = program
    .command("resume")
    .description("resume a queue that was paused or drained")
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
