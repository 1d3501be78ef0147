// Reads what operators say of jobs and orders into what a store takes, and checks it.
import { parseDuration } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";
import { HEAD_START_PER_PRIORITY_MS, toJson } from "../../core/limits.ts";
import { type JobOrder, checkOrder } from "../../core/orders.ts";
import type { JobFilter } from "../../core/store.ts";
import type { JobSelection, Order, Time } from "./order-operations.ts";

/**
 * Reads a selection.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function readSelection(selection: JobSelection): JobFilter {
  const { createdFrom, createdBefore, finishedFrom, finishedBefore, error, ...plain } = selection;
  return {
    ...plain,
    ...timeOf("createdFromMs", createdFrom),
    ...timeOf("createdBeforeMs", createdBefore),
    ...timeOf("finishedFromMs", finishedFrom),
    ...timeOf("finishedBeforeMs", finishedBefore),
    ...(error === undefined ? {} : { fingerprint: error }),
  };
}

function timeOf(field: keyof JobFilter, time: Time | undefined): JobFilter {
  return time === undefined ? {} : { [field]: readTime(field, time) };
}

function readTime(field: string, time: Time): number {
  const atMs = typeof time === "number" ? time : new Date(time).getTime();
  if (!Number.isFinite(atMs)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `${field} is ${JSON.stringify(time)}; expected a Date, milliseconds since 1970 or an ISO 8601 text such as "2030-01-31T08:00:00Z"`,
    });
  }
  return Math.round(atMs);
}

/**
 * Reads an order.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`, `INVALID_INPUT` or `TOO_LARGE`
 */
export function readOrder(order: Order): JobOrder {
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
        ...(order.input === undefined ? {} : { input: toJson(order.input, "input") }),
      };
    case "reschedule":
      return readTimeOrder(order);
    case "prioritize": {
      const { priority } = order;
      const headStartMs =
        typeof priority === "number"
          ? Math.round(priority * HEAD_START_PER_PRIORITY_MS)
          : parseDuration(priority.headStart, "priority.headStart");
      return { kind: "prioritize", headStartMs };
    }
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
    : { kind: "reschedule", runAtMs: readTime("runAt", runAt) };
}

function readRate(rate: number): number {
  if (!(rate > 0)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `rate is ${String(rate)}; expected a number of jobs per second above 0`,
    });
  }
  return 1_000 / rate;
}
