// `millrace cancel`, `retry`, `remove`, `requeue`, `reschedule`, `prioritize` and `dead`: jobs by ids or by what they are.
import { type Command, InvalidArgumentError } from "commander";
import { type ChangeReply, type JobState, MillraceError, parseDuration } from "../../core/index.ts";
import {
  type JobSelection,
  type Operations,
  type Order,
  type OrderProgress,
  orderAll,
} from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { DEFAULT_LIMIT, readLimit } from "./jobs.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { findJobs, printFound } from "../find-jobs.ts";
import { interruptible } from "../interrupt.ts";
import { jobTable } from "../job-table.ts";
import { readDuration, readJobIds } from "../option-values.ts";
import { print, printJson } from "../output.ts";
import { ProgressLine } from "../progress-line.ts";
import { type SelectionOptions, selectionOf, withSelectionOptions } from "../selection.ts";
import { STAYING, whyUnmoved } from "../unmoved.ts";
import { lookForQueue, warnOfNothing, warnOfUnknown } from "../unknown-queue.ts";

interface OrderOptions extends ConnectionOptions, SelectionOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly reason?: string;
  readonly rate?: number;
  readonly delay?: string;
  readonly with?: unknown;
  readonly at?: string;
  readonly headStart?: string;
}

/** A command that gives one kind of order. */
interface OrderCommand {
  readonly name: string;
  readonly description: string;
  /** What has become of a job, in words. */
  readonly done: string;
  readonly example: string;
  /** An argument before the ids, which says how. */
  readonly how?: readonly [name: string, description: string];
  readonly options?: (command: Command) => Command;
  readonly order: (options: OrderOptions, how: string) => Order;
  /** States of the jobs to which the order does something: they are meant where none are said. */
  readonly states: readonly JobState[];
}

const CANCEL: OrderCommand = {
  name: "cancel",
  description: "cancel jobs, waiting or running",
  done: "cancelled",
  example: 'cancel --type mail --tag campaign-7 --reason "wrong list"',
  options: (command) => command.option("--reason <text>", "why, kept with the job"),
  order: ({ reason }) => ({ kind: "cancel", ...(reason === undefined ? {} : { reason }) }),
  states: ["scheduled", "ready", "running", "waiting"],
};
const RETRY: OrderCommand = {
  name: "retry",
  description: "make jobs that failed or were cancelled ready again",
  done: "ready again",
  example: "retry --state failed --error 9f0c41d2a7be5310 --rate 50 --dry-run",
  options: withRetryOptions,
  order: retryOrder,
  states: ["failed", "cancelled"],
};
const REMOVE: OrderCommand = {
  name: "remove",
  description: "remove jobs that do not run, with all that is kept of them",
  done: "removed",
  example: "remove --state succeeded --ended-before 7d",
  order: () => ({ kind: "remove" }),
  states: ["scheduled", "ready", "waiting", "succeeded", "failed", "cancelled"],
};
const MOVE: OrderCommand = {
  name: "requeue",
  description: "move jobs that wait to another queue, under other ids",
  done: "moved",
  example: "requeue slow --queue mail --tag newsletter",
  how: ["<to-queue>", "the queue to move to"],
  order: (_, queue) => ({ kind: "move", queue }),
  states: ["scheduled", "ready"],
};
const RESCHEDULE: OrderCommand = {
  name: "reschedule",
  description: "start jobs that wait at another time",
  done: "rescheduled",
  example: "reschedule 2h --type report",
  how: ["<time>", "a time (ISO 8601), or how long from now (2h)"],
  order: (_, time) =>
    /^\d{4}-/.test(time) && !Number.isNaN(Date.parse(time))
      ? { kind: "reschedule", runAt: time }
      : { kind: "reschedule", delay: durationOr("time", time, "a time (ISO 8601)") },
  states: ["scheduled", "ready"],
};
const PRIORITIZE: OrderCommand = {
  name: "prioritize",
  description: "give jobs that wait another priority",
  done: "prioritized",
  example: "prioritize 10 --field customer=acme",
  how: ["<priority>", "a number, each step a minute of head start; or the head start itself (90s)"],
  order: (_, priority) => ({
    kind: "prioritize",
    priority: /^-?\d+(\.\d+)?$/.test(priority)
      ? Number(priority)
      : { headStart: durationOr("priority", priority, "a number") },
  }),
  states: ["scheduled", "ready"],
};

/** A duration that stands where something else could stand as well. */
function durationOr(what: string, text: string, orElse: string): string {
  try {
    parseDuration(text);
    return text;
  } catch {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `the ${what} is ${JSON.stringify(text)}; expected ${orElse}, or a duration such as "90s" or "1h30m"`,
    });
  }
}

/** Registers `cancel`, `retry`, `remove`, `requeue`, `reschedule` and `prioritize`. */
export function registerOrders(program: Command): void {
  for (const order of [CANCEL, RETRY, REMOVE, MOVE, RESCHEDULE, PRIORITIZE]) {
    registerOrder(program, order);
  }
}

/** Registers `dead`: jobs that failed for good. */
export function registerDead(program: Command): void {
  const dead = program
    .command("dead")
    .description("dead letters: jobs that failed for good, kept in the queue that they came from");
  const list = dead.command("list", { isDefault: true }).description("list them, newest first");
  list.option("--limit <number>", "most jobs shown", readLimit, DEFAULT_LIMIT);
  withConnectionOptions(withSelectionOptions(list)).action(
    async (options: OrderOptions & { readonly limit: number }) => {
      await using connection = await connect(options);
      const { limit } = options;
      const selection = { states: ["failed"] as const, ...selectionOf(options) };
      const page = await findJobs(connection.operations, { ...selection, limit });
      if (options.json === true) return printJson(page);
      printFound(page, limit);
      if (page.jobs.length === 0) await warnOfNothing(connection.operations, selection);
      if (page.cursor !== undefined) print("", "there are more: --limit, or a narrower selection");
    },
  );
  const states = ["failed"] as const;
  registerOrder(dead, {
    ...RETRY,
    name: "replay",
    description: "run them again, in the queue that they came from",
    example: "dead replay --error 9f0c41d2a7be5310 --rate 50",
    states,
  });
  registerOrder(dead, {
    ...REMOVE,
    name: "drop",
    description: "remove them for good",
    example: "dead drop --ended-before 7d",
    states,
  });
}

function withRetryOptions(command: Command): Command {
  return command
    .option("--rate <number>", "at most so many a second", readRate)
    .option("--delay <duration>", "not before this much time has passed", readDuration)
    .option("--with <json>", "run with this input in place of the one given", readJson);
}

function retryOrder(options: OrderOptions): Order {
  const { rate, delay } = options;
  return {
    kind: "retry",
    ...(rate === undefined ? {} : { rate }),
    ...(delay === undefined ? {} : { delay }),
    ...(options.with === undefined ? {} : { input: options.with }),
  };
}

function readRate(text: string): number {
  const rate = Number(text.replace(/\/s$/, ""));
  if (!(rate > 0)) throw new InvalidArgumentError("Expected a number of jobs per second above 0.");
  return rate;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InvalidArgumentError("Expected JSON.");
  }
}

function registerOrder(parent: Command, given: OrderCommand): void {
  const command = parent.command(given.name).description(given.description);
  if (given.how !== undefined) command.argument(...given.how);
  command.argument("[id...]", "ids of jobs; without any, those of the options below", readJobIds);
  withSelectionOptions(command)
    .option("--all", "every job that the order is meant for, where nothing else is said")
    .option("--dry-run", "count them and show some, and change nothing")
    .addHelpText(
      "after",
      `\nExamples:\n  $ millrace ${parent.name() === "dead" ? "dead " : ""}${given.name} ${given.how === undefined ? "" : "... "}0199d3c0-...\n  $ millrace ${given.example}`,
    );
  given.options?.(command);
  withConnectionOptions(command).action(async (...args: readonly unknown[]) => {
    const how = given.how === undefined ? "" : String(args[0]);
    const [ids, options] = args.slice(given.how === undefined ? 0 : 1) as [string[], OrderOptions];
    const order = given.order(options, how);
    checkSaidOnce(ids, options);
    await using connection = await connect(options);
    const { operations } = connection;
    const look = order.kind === "move" ? await lookForQueue(operations, order.queue) : undefined;
    if (ids.length > 0) await orderIds(operations, { ids, order, given, options });
    else await orderSelected(operations, { order, given, options });
    if (look !== undefined) {
      warnOfUnknown(how, look, { means: "nobody takes what is moved to it until one does" });
    }
  });
}

/**
 * Ids are carried out as they stand: an option beside them that narrows what is meant, or that asks to change nothing,
 * must not be passed over.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
function checkSaidOnce(ids: readonly string[], options: OrderOptions): void {
  if (ids.length === 0) return;
  if (options.dryRun === true) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message:
        "--dry-run counts jobs that options select, and ids name theirs; leave it out, or look first: millrace job ID",
    });
  }
  if (options.all === true || Object.keys(selectionOf(options)).length > 0) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: "ids, and options such as --type, --state and --all, both say which jobs; say one",
    });
  }
}

interface Given {
  readonly order: Order;
  readonly given: OrderCommand;
  readonly options: OrderOptions;
}

async function orderIds(
  operations: Operations,
  { ids, order, given, options }: Given & { readonly ids: readonly string[] },
): Promise<void> {
  const replies = await carryOut(operations, ids, order);
  if (options.json === true) {
    printJson(replies.map((reply, index) => ({ id: ids[index], ...reply })));
  }
  for (const [index, reply] of replies.entries()) {
    const id = ids[index] ?? "";
    if (!reply.changed) {
      process.exitCode = reply.state === null ? EXIT_CODES.notFound : EXIT_CODES.jobFailed;
    }
    if (options.json === true) continue;
    const mayBeMoved = order.kind === "move" && !reply.changed && isAmong(reply.state, given);
    if (mayBeMoved) print(`${id} stays: ${await whyUnmoved(operations, id, order.queue)}`);
    else tellChange(id, reply, given.done);
  }
}

/** The three that every store can do need none of its capabilities. */
async function carryOut(
  operations: Operations,
  ids: readonly string[],
  order: Order,
): Promise<readonly ChangeReply[]> {
  if (order.kind === "cancel") {
    const { kind: _, ...options } = order;
    return operations.cancel(ids, options);
  }
  if (order.kind === "remove") return operations.remove(ids);
  if (order.kind === "retry" && Object.keys(order).length === 1) return operations.retry(ids);
  return operations.order(ids, order);
}

function isAmong(state: JobState | null, { states }: OrderCommand): boolean {
  return state !== null && states.includes(state);
}

function tellChange(id: string, reply: ChangeReply, done: string): void {
  if (reply.changed) {
    const to = reply.id === undefined ? "" : ` to ${reply.id}`;
    print(`${id} ${reply.state === "running" ? "asked to stop" : done}${to}`);
    return;
  }
  print(`${id} ${reply.state === null ? "is not kept" : `is ${reply.state}: not changed`}`);
}

async function orderSelected(
  operations: Operations,
  { order, given, options }: Given,
): Promise<void> {
  const said = selectionOf(options);
  if (Object.keys(said).length === 0 && options.all !== true) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `say which jobs: by ids, by options such as --type and --state, or --all`,
    });
  }
  const select: JobSelection = { ...said, states: statesOf(given, said.states) };
  if (options.dryRun === true) return showDryRun(operations, { order, given, options }, select);
  let totals = { matched: 0, changed: 0, isDone: false };
  await untilStopped(async (signal, line) => {
    for await (totals of orderAll(operations, { select, order }, { signal })) {
      if (!totals.isDone) line.show(`${totals.changed} ${given.done} so far; Ctrl-C stops`);
    }
  });
  const { matched, changed, isDone } = totals;
  if (!isDone) process.exitCode = EXIT_CODES.interrupted;
  if (matched === 0) await warnOfNothing(operations, said);
  if (options.json === true) return printJson({ matched, changed, isDone });
  const rest =
    matched === changed
      ? ""
      : `, ${matched - changed} not: their state does not allow it${order.kind === "move" ? `; ${STAYING}` : ""}`;
  print(`${changed} ${given.done}${rest}${isDone ? "" : "; stopped before the end"}`);
}

/**
 * The states that are meant: those that were said, but for the ones that the order does nothing to, which a dry run would
 * count as if it did.
 *
 * @throws MillraceError `INVALID_ARGUMENT` where none is left
 */
function statesOf(
  { name, states }: OrderCommand,
  said: readonly JobState[] = states,
): readonly JobState[] {
  const meant = said.filter((state) => states.includes(state));
  if (meant.length > 0) return meant;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `${name} does nothing to jobs that are ${said.join(" or ")}; say --state with ${states.join(", ")}, or leave it out`,
  });
}

/** Does something step by step with a line of progress, until it is done or somebody presses Ctrl-C. */
async function untilStopped(
  act: (signal: AbortSignal, line: ProgressLine) => Promise<void>,
): Promise<void> {
  using interrupt = interruptible();
  const line = new ProgressLine();
  try {
    await act(interrupt.signal, line);
  } finally {
    // What comes next, the end or an error, has the line for itself.
    line.end();
  }
}

async function showDryRun(
  operations: Operations,
  { order, given, options }: Given,
  select: JobSelection,
): Promise<void> {
  const counted = { matched: 0, examined: 0 };
  let first: OrderProgress | undefined;
  let after: OrderProgress | undefined;
  await untilStopped(async (signal, line) => {
    do {
      const from = after === undefined ? {} : { after };
      after = await operations.orderMatching({ select, order, dryRun: true, ...from });
      first ??= after;
      counted.matched += after.matched;
      counted.examined += after.examined;
      const looked = after.unindexed.length > 0 ? `, ${counted.examined} looked at` : "";
      line.show(`${counted.matched} found so far${looked}; Ctrl-C stops`);
    } while (after.cursor !== undefined && !signal.aborted);
  });
  const isDone = after?.cursor === undefined;
  if (!isDone) process.exitCode = EXIT_CODES.interrupted;
  const { sample = [], unindexed = [] } = first ?? {};
  if (counted.matched === 0) await warnOfNothing(operations, select);
  if (options.json === true) return printJson({ ...counted, isDone, unindexed, sample });
  const { matched, examined } = counted;
  const known = isDone ? `${matched}` : `stopped before the end: ${matched} at least`;
  print(`${known} would be ${given.done}, if their state still allows it then`);
  if (unindexed.length > 0) {
    print(`no index answers ${unindexed.join(", ")}: ${examined} jobs were looked at`);
  }
  if (sample.length > 0) print("", ...jobTable(sample, Date.now()));
}
