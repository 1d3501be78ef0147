// What jobs count under that come back with another input: read from it by their types, as when they were enqueued.
import { MillraceError } from "../../core/errors.ts";
import { type LimitKey, QUEUE_LIMIT } from "../../core/flow.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobOrder } from "../../core/orders.ts";
import type { Store } from "../../core/store.ts";
import { readKeysOf } from "../enqueuing/flow.ts";
import type { Registry } from "../registry.ts";

/** What the keys of jobs are read with. */
export interface KeyReading {
  readonly store: Store;
  readonly registry: Pick<Registry, "find">;
}

/**
 * An order on jobs by their ids, with the keys of its input.
 *
 * @throws MillraceError `UNKNOWN_TYPE`, `INVALID_INPUT` or `INVALID_ARGUMENT`
 */
export async function withKeysOf(
  reading: KeyReading,
  order: JobOrder,
  ids: readonly JobId[],
): Promise<JobOrder> {
  if (!hasOtherInput(reading, order)) return order;
  const records = (await reading.store.get({ ids })).filter((record) => record !== null);
  const types = new Map<string, boolean>();
  for (const { type, keys } of records) {
    types.set(type, keys.length > 0 || types.get(type) === true);
  }
  return withKeys(reading, order, types);
}

/**
 * An order on what a selection fits, with the keys of its input.
 *
 * @throws MillraceError `UNKNOWN_TYPE`, `INVALID_INPUT` or `INVALID_ARGUMENT`
 */
export async function withKeysOfAll(
  reading: KeyReading,
  order: JobOrder,
  onlyType: string | undefined,
): Promise<JobOrder> {
  if (!hasOtherInput(reading, order)) return order;
  const types = new Map<string, boolean>();
  for (const { name, limits = [] } of await reading.store.types()) {
    if (onlyType !== undefined && onlyType !== name) continue;
    if (limits.some((limit) => limit.name !== QUEUE_LIMIT)) types.set(name, true);
  }
  return withKeys(reading, order, types);
}

type OtherInput = Extract<JobOrder, { kind: "retry" }> & { readonly input: string };

function hasOtherInput({ store }: KeyReading, order: JobOrder): order is OtherInput {
  return order.kind === "retry" && order.input !== undefined && store.capabilities.has("limits");
}

/** `types`: their names, and whether jobs of them may have keys. */
function withKeys(
  { registry }: KeyReading,
  order: OtherInput,
  types: ReadonlyMap<string, boolean>,
): JobOrder {
  const input: unknown = JSON.parse(order.input);
  const keys: [string, readonly LimitKey[]][] = [];
  for (const [name, mayHaveKeys] of types) {
    const type = registry.find(name);
    if (type !== undefined) {
      keys.push([name, readKeysOf(type, input).map(({ limit, key }) => ({ limit, key }))]);
    } else if (mayHaveKeys) throw unknownKeys(name);
  }
  return { ...order, keys: Object.fromEntries(keys) };
}

function unknownKeys(type: string): MillraceError {
  return new MillraceError("UNKNOWN_TYPE", {
    message: `jobs of type ${type} count under keys that the type reads from their input, and it is not known here: give another input where it is (a service, or a config that lists it), or leave these jobs out`,
    details: { type },
  });
}
