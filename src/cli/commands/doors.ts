// `millrace pause`, `drain` and `resume`: close the doors of a queue, and open them.
import type { Command } from "commander";
import { formatDuration } from "../../core/index.ts";
import type { Operations } from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { clean, print, printJson } from "../output.ts";
import { lookForQueue, warnOfUnknown } from "../unknown-queue.ts";
import { whoami } from "../whoami.ts";

interface ReasonOptions extends ConnectionOptions {
  readonly reason?: string;
}

/** A command that closes one door of a queue. */
interface DoorCommand {
  readonly name: "pause" | "drain";
  readonly description: string;
  readonly exampleReason: string;
  /** What has become of the queue, as data and in words. */
  readonly state: Readonly<Record<string, boolean>>;
  readonly done: string;
}

const PAUSE: DoorCommand = {
  name: "pause",
  description: "pause a queue: nothing of it is started, what runs goes on",
  exampleReason: "provider is down",
  state: { paused: true },
  done: "paused",
};
const DRAIN: DoorCommand = {
  name: "drain",
  description: "let a queue take nothing new in, while what is there runs out",
  exampleReason: "moves to the new host",
  state: { draining: true },
  done: "takes nothing new in",
};

/** Registers `pause`. */
export function registerPause(program: Command): void {
  registerDoor(program, PAUSE);
}

/** Registers `drain`. */
export function registerDrain(program: Command): void {
  registerDoor(program, DRAIN);
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
    const look = await lookForQueue(connection.operations, queue);
    await connection.operations.resume(queue, { by: whoami() });
    if (options.json === true) printJson({ name: queue, paused: false });
    else print(`${queue} resumed`);
    await warnOfHold(connection.operations, queue);
    if (!look.isClosed) warnOfUnknown(queue, look, { means: "there was nothing to resume" });
  });
}

/** What a handler holds is lifted by itself: a pause says nothing of whom the queue's jobs speak to. */
async function warnOfHold(operations: Operations, queue: string): Promise<void> {
  const records = await operations.limits({ queue });
  const held = records.find(({ pushedBackUntilMs }) => pushedBackUntilMs !== null);
  if (held === undefined) return;
  console.error(
    `a handler pushed back: ${clean(queue)} goes on in ${formatDuration(held.opensInMs)}. To let it go on at once: millrace limits release ${clean(queue)}`,
  );
}

function registerDoor(program: Command, door: DoorCommand): void {
  const command = program
    .command(door.name)
    .description(door.description)
    .argument("<queue>", "the queue's name")
    .option("--reason <text>", "why, for whoever looks later")
    .addHelpText(
      "after",
      `\nExample:\n  $ millrace ${door.name} mail --reason "${door.exampleReason}"`,
    );
  withConnectionOptions(command).action(async (queue: string, options: ReasonOptions) => {
    await using connection = await connect(options);
    const operations: Operations = connection.operations;
    const look = await lookForQueue(operations, queue);
    await operations[door.name](queue, {
      by: whoami(),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    });
    if (options.json === true) printJson({ name: queue, ...door.state });
    else print(`${queue} ${door.done}`);
    warnOfUnknown(queue, look, {
      means: "this holds from when one does",
      undo: `resume ${queue}`,
    });
  });
}
