// Reads what operators say of jobs and orders into what a store takes, and checks it.
import { checkOptions, readTime, tellValue, wrongArgument } from "../../core/arguments.ts";
import { parseDuration } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";
import { isFingerprint } from "../../core/fingerprint.ts";
import { readPriority, toJson } from "../../core/limits.ts";
import { type JobOrder, ORDER_KINDS, checkOrder } from "../../core/orders.ts";
import type { JobFilter } from "../../core/store.ts";
import type { JobSelection, Order, Time } from "./order-operations.ts";

/**
 * Reads a selection.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function readSelection(selection: JobSelection): JobFilter {
  const { createdFrom, createdBefore, finishedFrom, finishedBefore, error, ...plain } =
    checkOptions(selection, "select");
  for (const part of Object.keys(plain)) {
    // A part that nothing reads would leave the order to find every job.
    if (!(part in PLAIN_PARTS)) throw unknownPart(part);
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

/** Parts of a selection that a store's filter has under the same name. */
const PLAIN_PARTS = {
  states: true,
  type: true,
  queue: true,
  tag: true,
  key: true,
  input: true,
} as const satisfies Partial<Record<keyof JobSelection, true>>;

function unknownPart(part: string): MillraceError {
  const known = [...Object.keys(PLAIN_PARTS), ...TIMES, "error"];
  return new MillraceError("INVALID_ARGUMENT", {
    message: `a selection has no part ${tellValue(part)}; expected ${known.join(", ")}`,
  });
}

const TIMES = ["createdFrom", "createdBefore", "finishedFrom", "finishedBefore"] as const;

function timeOf(part: (typeof TIMES)[number], time: Time | undefined): JobFilter {
  return time === undefined ? {} : { [`${part}Ms`]: readTime(time, part) };
}

/**
 * Reads an order.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`, `INVALID_INPUT` or `TOO_LARGE`
 */
export function readOrder(order: Order): JobOrder {
  const read = toJobOrder(checkOptions(order, "order"));
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
    default:
      throw wrongArgument("order.kind", (order as Partial<Order>).kind, ORDER_KINDS.join(", "));
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
