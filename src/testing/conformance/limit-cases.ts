// What the cases about limits share: declarations of limits, jobs with keys, and a world whose type has limits.
import type { LimitBounds, LimitDeclaration, LimitRecord } from "../../core/flow.ts";
import type { NewJob } from "../../core/store.ts";
import type { StoreCase } from "./harness.ts";
import type { World } from "./world.ts";

/** A limit of the whole queue `mail`. */
export function ofQueue(bounds: Partial<LimitBounds>): LimitDeclaration {
  return { name: "queue", concurrency: null, rate: null, ...bounds };
}

/** A limit of each customer of the queue `mail`. */
export function ofCustomer(bounds: Partial<LimitBounds> = {}): LimitDeclaration {
  return { name: "customer", concurrency: null, rate: null, ...bounds };
}

/** A job of a customer. */
export function of(customer: string, options: Partial<NewJob> = {}): Partial<NewJob> {
  return { keys: [{ limit: "customer", key: customer }], ...options };
}

/** Most of the cases: types with limits, put first. */
export function limited(
  name: string,
  limits: readonly LimitDeclaration[],
  run: (world: World) => Promise<void>,
): StoreCase {
  return {
    name,
    needs: ["limits"],
    run: async (world) => {
      await world.putType({ limits });
      await run(world);
    },
  };
}

/** A limit of the queue `mail`, or of one of its keys, as it stands. */
export async function limitOf(
  { store }: World,
  name: string,
  key?: string,
): Promise<LimitRecord | undefined> {
  const keys = key === undefined ? [] : [{ limit: name, key }];
  const records = await store.limits({ queue: "mail", keys });
  return records.find((record) => record.name === name && record.key === (key ?? null));
}
