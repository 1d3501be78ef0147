// Reads what operators say of jobs and orders into what a store takes, and checks it.
import {
  checkNames,
  checkObject,
  checkOptions,
  readTime,
  unknownName,
  wrongArgument,
} from "../../core/arguments.ts";
import { parseDuration } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";
import { isFingerprint } from "../../core/fingerprint.ts";
import { readPriority, toJson } from "../../core/limits.ts";
import { type JobOrder, ORDER_KINDS, checkOrder } from "../../core/orders.ts";
import type { JobFilter } from "../../core/store.ts";
import {
  type JobSelection,
  ORDER_NAMES,
  type Order,
  SELECTION_NAMES,
  type Time,
} from "./order-operations.ts";

/**
 * Reads a selection.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function readSelection(selection: JobSelection): JobFilter {
  const { createdFrom, createdBefore, finishedFrom, finishedBefore, error, ...plain } =
    checkOptions(selection, "select", SELECTION_NAMES);
  for (const part of Object.keys(selection)) {
    // Of which nothing is said, too: an order without the part that was meant would find every job.
    if (!Object.hasOwn(SELECTION_NAMES, part)) {
      throw unknownName({ what: "select", path: "" }, part, SELECTION_NAMES);
    }
  }
  if (error !== undefined && !isFingerprint(error)) {
    throw wrongArgument("error", error, "16 hex digits, as `errors` lists them");
  }
  return {
    ...plain,
    ...timeOf("createdFrom", createdFrom),
    ...timeOf("createdBefore", createdBefore),
    ...timeOf("finishedFrom", finishedFrom),
    ...timeOf("finishedBefore", finishedBefore),
    ...(error === undefined ? {} : { fingerprint: error }),
  };
}

type TimePart = "createdFrom" | "createdBefore" | "finishedFrom" | "finishedBefore";

function timeOf(part: TimePart, time: Time | undefined): JobFilter {
  return time === undefined ? {} : { [`${part}Ms`]: readTime(time, part) };
}

/**
 * Reads an order.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`, `INVALID_INPUT` or `TOO_LARGE`
 */
export function readOrder(order: Order): JobOrder {
  const { kind } = checkObject(order, "order");
  if (!ORDER_KINDS.includes(kind)) throw wrongArgument("order.kind", kind, ORDER_KINDS.join(", "));
  checkNames(order, `the order "${kind}"`, ORDER_NAMES[kind]);
  const read = toJobOrder(order);
  checkOrder(read);
  return read;
}

function toJobOrder(order: Order): JobOrder {
  switch (order.kind) {
    case "cancel":
      return { kind: "cancel", reason: order.reason ?? "cancelled by request" };
    case "remove":
      return { kind: "remove" };
    case "move":
      return { kind: "move", queue: order.queue };
    case "retry":
      return {
        kind: "retry",
        ...(order.delay === undefined ? {} : { delayMs: parseDuration(order.delay, "delay") }),
        ...(order.rate === undefined ? {} : { everyMs: readRate(order.rate) }),
        ...(order.input === undefined
          ? {}
          : { input: toJson(order.input, "input", undefined, "INVALID_INPUT") }),
      };
    case "reschedule":
      return readTimeOrder(order);
    case "prioritize":
      return { kind: "prioritize", headStartMs: readPriority(order.priority) };
  }
}

function readTimeOrder({ runAt, delay }: Extract<Order, { kind: "reschedule" }>): JobOrder {
  if ((runAt === undefined) === (delay === undefined)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: "expected one of runAt and delay for the new time",
    });
  }
  return runAt === undefined
    ? { kind: "reschedule", delayMs: parseDuration(delay ?? 0, "delay") }
    : { kind: "reschedule", runAtMs: readTime(runAt, "runAt") };
}

function readRate(rate: number): number {
  if (typeof rate !== "number" || !(rate > 0) || rate === Number.POSITIVE_INFINITY) {
    throw wrongArgument("rate", rate, "a number of jobs per second above 0");
  }
  return 1_000 / rate;
}
