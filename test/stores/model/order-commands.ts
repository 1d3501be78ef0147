// Random orders of operators, on a store and the reference model side by side.
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { fingerprintOf } from "../../../src/core/fingerprint.ts";
import type { JobOrder } from "../../../src/core/orders.ts";
import type { ChangeStep, JobFilter } from "../../../src/core/store.ts";
import { type Command, command, error, minutes, pick } from "./command.ts";
import { MINUTE_MS, QUEUES, type Side, TAGS, TYPES, withoutDue } from "./side.ts";

const order: fc.Arbitrary<JobOrder> = fc.oneof(
  fc.constant({ kind: "cancel", reason: "r3" } as const),
  fc.constant({ kind: "remove" } as const),
  fc.record(
    {
      kind: fc.constant("retry" as const),
      delayMs: minutes,
      everyMs: fc.constantFrom(0, MINUTE_MS),
      input: fc.constantFrom('"b"', JSON.stringify("y".repeat(20_000))),
      keys: fc.constantFrom(
        { t1: [{ limit: "customer", key: "b" }] },
        { t1: [], t2: [{ limit: "region", key: "eu" }] },
      ),
    },
    { requiredKeys: ["kind"] },
  ),
  fc.record({ kind: fc.constant("move" as const), queue: fc.constantFrom(...QUEUES) }),
  fc.record({
    kind: fc.constant("reschedule" as const),
    delayMs: fc.oneof(fc.constant(0), minutes),
  }),
  fc.record({
    kind: fc.constant("prioritize" as const),
    headStartMs: fc.constantFrom(0, 3 * MINUTE_MS, -2 * MINUTE_MS),
  }),
);

/** An order as the store under test can take it. */
function fitting({ store }: Side, drawn: JobOrder): JobOrder {
  if (drawn.kind !== "retry" || store.capabilities.has("limits")) return drawn;
  const { keys: _, ...order } = drawn;
  return order;
}

const ordered = command(
  "order",
  fc.record({ which: fc.array(pick, { minLength: 1, maxLength: 4 }), given: order }),
  async (side, { which, given: drawn }) => {
    const given = fitting(side, drawn);
    if (given.kind === "move" && !side.store.capabilities.has("requeue")) return;
    const ids = side.pickIds(which);
    const expected = side.model.change(ids, given, await side.now());
    const replies = await side.store.change({ ids, order: given });
    assert.deepEqual(replies.map(withoutDue), expected.map(withoutDue));
    for (const [index, reply] of replies.entries()) {
      if (!reply.changed || reply.id === undefined || given.kind !== "move") continue;
      side.adopt({ id: reply.id, queue: given.queue }, ids[index] ?? "");
    }
  },
);

/** Without the states in which a job whose time has come may be either. */
const filter: fc.Arbitrary<JobFilter> = fc.record(
  {
    states: fc.subarray(["running" as const, "succeeded" as const, "failed" as const]),
    type: fc.constantFrom(...TYPES),
    queue: fc.constantFrom(...QUEUES),
    tag: fc.constantFrom(...TAGS),
    fingerprint: fc.constant(fingerprintOf(error)),
    key: fc.constantFrom("k1", "k2"),
    input: fc.constant({ n: 1 }),
  },
  { requiredKeys: [] },
);

const orderedAll = command(
  "order what fits",
  fc.record({
    chosen: filter,
    // A move makes new ids, which nobody would know.
    given: order.filter(({ kind }) => kind !== "move"),
    limit: fc.integer({ min: 1, max: 4 }),
  }),
  async (side, { chosen, given: drawn, limit }) => {
    const given = fitting(side, drawn);
    const ids = side.model.list(chosen).map(({ id }) => id);
    const expected = side.model.change(ids, given, await side.now());
    assert.deepEqual(await all(side, chosen, given, limit), {
      matched: ids.length,
      changed: expected.filter(({ changed }) => changed).length,
    });
  },
);

const counted = command(
  "count",
  fc.record({ chosen: filter, limit: fc.integer({ min: 1, max: 4 }) }),
  async (side, { chosen, limit }) => {
    const matched = side.model.list(chosen).length;
    assert.deepEqual(await all(side, chosen, null, limit), { matched, changed: 0 });
  },
);

async function all(
  { store }: Side,
  chosen: JobFilter,
  given: JobOrder | null,
  limit: number,
): Promise<{ readonly matched: number; readonly changed: number }> {
  let matched = 0;
  let changed = 0;
  let cursor: string | undefined;
  do {
    const step: ChangeStep = await store.changeMatching({
      filter: chosen,
      order: given,
      limit,
      changedBefore: changed,
      ...(cursor === undefined ? {} : { cursor }),
    });
    matched += step.matched;
    changed += step.changed;
    ({ cursor } = step);
  } while (cursor !== undefined);
  return { matched, changed };
}

/** Orders, for stores that have the capability `bulk`. */
export const orderCommands: readonly fc.Arbitrary<Command>[] = [ordered, orderedAll, counted];
