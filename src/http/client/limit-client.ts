// The operations about limits over HTTP.
import {
  type LimitRecord,
  QUEUE_LIMIT,
  type ReleasedHold,
  checkOptions,
} from "../../core/index.ts";
import {
  LIMITS_NAMES,
  LIMIT_CHANGE_NAMES,
  LIMIT_RESET_NAMES,
  type LimitOperations,
  RELEASE_NAMES,
} from "../../runtime/index.ts";
import { type Send, searchOf } from "./send.ts";

function pathOf(queue: string, name: string = QUEUE_LIMIT): string {
  return `/v1/queues/${encodeURIComponent(queue)}/limits/${encodeURIComponent(name)}`;
}

/** Does the operations about limits by a service's HTTP API. */
export function limitOperations(send: Send): LimitOperations {
  const list = async (search: Parameters<typeof searchOf>[0]): Promise<readonly LimitRecord[]> => {
    const reply = await send("GET", `/v1/limits${searchOf(search)}`);
    return (reply as { readonly limits: readonly LimitRecord[] }).limits;
  };
  return {
    limits: async (query = {}) => {
      const { queue, keys = [] } = checkOptions(query, "query", LIMITS_NAMES);
      const limits = [...(await list({ queue }))];
      for (const { limit, key } of keys) {
        limits.push(...(await list({ queue, limit, key })).filter((each) => each.key === key));
      }
      return limits;
    },
    // The service writes down who asked by the token's name, so `by` is not sent.
    setLimit: async (queue, change) => {
      const { name, concurrency, rate } = checkOptions(change, "change", LIMIT_CHANGE_NAMES);
      const body = {
        ...(concurrency === undefined ? {} : { concurrency }),
        ...(rate === undefined ? {} : { rate }),
      };
      await send("PUT", pathOf(queue, name), { body });
    },
    resetLimit: async (queue, options = {}) => {
      const { name } = checkOptions(options, "options", LIMIT_RESET_NAMES);
      await send("DELETE", pathOf(queue, name));
    },
    releaseLimit: async (queue, options = {}) => {
      const { name, key } = checkOptions(options, "options", RELEASE_NAMES);
      const body = key === undefined ? {} : { key };
      return (await send("POST", `${pathOf(queue, name)}/release`, { body })) as ReleasedHold;
    },
  };
}
