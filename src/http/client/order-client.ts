// Orders on many jobs over HTTP: the same calls as with a store at hand.
import {
  type ChangeReply,
  checkOptions,
  isMillraceError,
  parseDuration,
} from "../../core/index.ts";
import {
  ERROR_QUERY_NAMES,
  type ErrorGroupView,
  type JobSelection,
  type OrderOperations,
  type OrderProgress,
  type OrderStep,
  PAUSE_NAMES,
  type WhyView,
} from "../../runtime/index.ts";
import { type Send, searchOf } from "./send.ts";

/** The calls about orders, by a service's HTTP API. */
export function orderOperations(send: Send): OrderOperations {
  return {
    order: async (ids, order) => {
      const body = { ids, order };
      const { replies } = (await send("POST", "/v1/jobs/order", { body })) as {
        readonly replies: readonly ChangeReply[];
      };
      return replies;
    },
    orderMatching: async ({ after, ...step }) => {
      const body = after === undefined ? step : { ...step, after: goingOnFrom(after) };
      return (await send("POST", "/v1/jobs/order-matching", { body })) as OrderProgress;
    },
    why: async (id) => {
      try {
        return (await send("GET", `/v1/jobs/${encodeURIComponent(id)}/why`)) as WhyView;
      } catch (thrown) {
        if (isMillraceError(thrown, "JOB_NOT_FOUND")) return null;
        throw thrown;
      }
    },
    errors: async (query = {}) => {
      const { since, type } = checkOptions(query, "query", ERROR_QUERY_NAMES);
      const sinceText = since === undefined ? undefined : `${parseDuration(since, "since")}ms`;
      const path = `/v1/errors${searchOf({ since: sinceText, type })}`;
      return ((await send("GET", path)) as { readonly errors: readonly ErrorGroupView[] }).errors;
    },
    // The service writes down who asked by the token's name, so `by` is not sent.
    drain: async (queue, options = {}) => {
      const { reason } = checkOptions(options, "options", PAUSE_NAMES);
      await send("POST", `/v1/queues/${encodeURIComponent(queue)}/drain`, {
        body: reason === undefined ? {} : { reason },
      });
    },
  };
}

/** Of what the step before gave, what the next one needs. */
function goingOnFrom({
  changed,
  cursor,
  pacedFromMs,
}: NonNullable<OrderStep["after"]>): NonNullable<OrderStep["after"]> {
  return {
    changed,
    ...(cursor === undefined ? {} : { cursor }),
    ...(pacedFromMs === undefined ? {} : { pacedFromMs }),
  };
}

/** The fields of a selection as a query string has them. */
export function searchOfSelection({
  states,
  input,
  createdFrom,
  createdBefore,
  finishedFrom,
  finishedBefore,
  ...plain
}: JobSelection): Readonly<Record<string, string | number | undefined>> {
  return {
    ...plain,
    state: states?.join(","),
    input: input === undefined ? undefined : JSON.stringify(input),
    createdFrom: textOf(createdFrom),
    createdBefore: textOf(createdBefore),
    finishedFrom: textOf(finishedFrom),
    finishedBefore: textOf(finishedBefore),
  };
}

function textOf(time: JobSelection["createdFrom"]): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}
