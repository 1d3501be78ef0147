// The oracle's judgement: what was promised against what was done, from records that the system can't touch.
import type { Effect, Promises } from "./effect-log.ts";

export interface Verdict {
  readonly acknowledged: number;
  /** Jobs that had an effect, acknowledged or not. */
  readonly executed: number;
  /** Acknowledged, and never had an effect. */
  readonly lost: readonly string[];
  /** Had an effect, and nobody ever asked for it. */
  readonly unexpected: readonly string[];
  /** Effects beyond the first of each job: at-least-once work may have them, and they are counted. */
  readonly duplicates: number;
  /** Numbers that became more than one job. */
  readonly doubled: readonly number[];
}

export function judge(promises: Promises, effects: readonly Effect[]): Verdict {
  const timesOf = new Map<string, number>();
  const idsOf = new Map<number, Set<string>>();
  const unexpected = new Set<string>();
  for (const { kind, id, number } of effects) {
    if (kind !== "effect") continue;
    timesOf.set(id, (timesOf.get(id) ?? 0) + 1);
    idsOf.set(number, (idsOf.get(number) ?? new Set()).add(id));
    if (!promises.intended.has(number)) unexpected.add(id);
  }
  let duplicates = 0;
  for (const times of timesOf.values()) duplicates += times - 1;
  return {
    acknowledged: promises.acknowledged.length,
    executed: timesOf.size,
    lost: promises.acknowledged.filter(({ id }) => !timesOf.has(id)).map(({ id }) => id),
    unexpected: [...unexpected],
    duplicates,
    doubled: [...idsOf].filter(([, ids]) => ids.size > 1).map(([number]) => number),
  };
}

/** Counts how often each job reached a terminal state, from the events that an onlooker was told. */
export class TransitionCounter {
  readonly #terminal = new Map<string, number>();
  /** Times that the onlooker missed something: the counts are then a lower bound. */
  gaps = 0;

  see(event: { readonly kind: string; readonly id: string }): void {
    if (event.kind !== "succeeded" && event.kind !== "failed" && event.kind !== "cancelled") return;
    this.#terminal.set(event.id, (this.#terminal.get(event.id) ?? 0) + 1);
  }

  get count(): number {
    return this.#terminal.size;
  }

  /** Whether a job was seen to end. */
  hasSeen(id: string): boolean {
    return this.#terminal.has(id);
  }

  /** Jobs that ended more than once. */
  get repeated(): readonly string[] {
    return [...this.#terminal].filter(([, times]) => times > 1).map(([id]) => id);
  }
}
