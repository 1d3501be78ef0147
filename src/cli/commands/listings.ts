// `millrace types`, `queues` and `workers`: what there is.
import type { Command } from "commander";
import { type ClosedDoor, formatDuration } from "../../core/index.ts";
import type { Operations } from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { clean, paint, print, printJson, table } from "../output.ts";

/** Registers `types`. */
export function registerTypes(program: Command): void {
  registerListing(
    program,
    "types",
    "list the job types that were made known",
    async (operations) => {
      const types = await operations.types();
      return {
        items: types,
        head: ["NAME", "QUEUE", "LAUNCHER", "INPUT", "MASKED"],
        rows: types.map((type) => [
          clean(type.name),
          clean(type.queue),
          clean(type.launcher),
          clean(describeSchema(type.inputSchema)),
          clean(
            type.redactedPaths === "function" ? "by a function" : type.redactedPaths.join(", "),
          ),
        ]),
      };
    },
  );
}

/** Registers `queues`. */
export function registerQueues(program: Command): void {
  registerListing(program, "queues", "list the queues with their counts", async (operations) => {
    const queues = await operations.queues();
    return {
      items: queues,
      head: [
        "QUEUE",
        "READY",
        "RUNNING",
        "SCHEDULED",
        "WAITING",
        "SUCCEEDED",
        "FAILED",
        "CANCELLED",
        "",
      ],
      rows: queues.map(({ name, counts, paused, draining }) => [
        clean(name),
        counts.ready,
        counts.running,
        counts.scheduled,
        counts.waiting,
        counts.succeeded,
        counts.failed,
        counts.cancelled,
        [describeDoor("paused", paused), describeDoor("draining", draining)]
          .filter((text) => text !== "")
          .join("; "),
      ]),
    };
  });
}

function describeDoor(word: string, door: ClosedDoor | null | undefined): string {
  if (door === null || door === undefined) return "";
  const reason = door.reason === "" ? "" : `: ${door.reason}`;
  return paint("yellow", clean(`${word} by ${door.by}${reason}`));
}

/** Registers `workers`. */
export function registerWorkers(program: Command): void {
  registerListing(program, "workers", "list the workers", async (operations) => {
    const workers = await operations.workers();
    const nowMs = Date.now();
    return {
      items: workers,
      head: ["WORKER", "HOST", "PID", "RUNNING", "OF", "UP", "QUEUES", "LABELS"],
      rows: workers.map((worker) => [
        clean(worker.id),
        clean(worker.host),
        worker.pid,
        worker.running,
        worker.concurrency,
        formatDuration(Math.max(0, nowMs - worker.attachedAtMs)),
        clean(worker.queues.join(", ")),
        clean(worker.labels.join(", ")),
      ]),
    };
  });
}

interface Listing {
  readonly items: readonly unknown[];
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

function registerListing(
  program: Command,
  name: string,
  description: string,
  read: (operations: Operations) => Promise<Listing>,
): void {
  const command = program
    .command(name)
    .description(description)
    .addHelpText("after", `\nExample:\n  $ millrace ${name} --url http://127.0.0.1:8000`);
  withConnectionOptions(command).action(async (options: ConnectionOptions) => {
    await using connection = await connect(options);
    const { items, head, rows } = await read(connection.operations);
    if (options.json === true) return printJson(items);
    print(...(rows.length === 0 ? [`no ${name}`] : table(head, rows)));
  });
}

/** The fields of an input, from its JSON Schema: `orderId, card?`. */
function describeSchema(text: string | undefined): string {
  if (text === undefined) return "anything";
  const schema = JSON.parse(text) as {
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly required?: readonly string[];
    readonly type?: string;
  };
  if (schema.properties === undefined) return schema.type ?? "anything";
  const required = new Set(schema.required);
  return Object.keys(schema.properties)
    .map((name) => (required.has(name) ? name : `${name}?`))
    .join(", ");
}
