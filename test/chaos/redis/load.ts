// Callers that enqueue without a pause while a fault goes on: what they were promised, when, and what they were refused.
import { setTimeout as sleep } from "node:timers/promises";
import type { Observer } from "../harness/place.ts";
import { type Refusal, toRefusal } from "../harness/producer.ts";
import type { Chaos } from "../harness/scenario.ts";

/** One promise. Times are those of `performance.now()`. */
interface Kept {
  readonly number: number;
  readonly id: string;
  readonly calledAtMs: number;
  readonly keptAtMs: number;
}

export interface LoadOptions {
  readonly callers?: number;
  /** Each caller rests so long between two calls. */
  readonly restMs?: number;
  /** In place of callers who wait for their calls: one begins so long after the other, whatever becomes of those before. */
  readonly everyMs?: number;
  /** How long each job's work takes. */
  readonly workMs?: number;
  /** Wait for each job's result too, and note when it was handed out. */
  readonly followsResults?: boolean;
}

/** Callers at work. */
export interface Load {
  readonly kept: readonly Kept[];
  readonly refusals: readonly Refusal[];
  /** Results that were handed out: when, by job. */
  readonly results: ReadonlyMap<string, number>;
  /** Promises made from a moment on. */
  keptSince(atMs: number): readonly Kept[];
  /** The longest time that any call took, refused ones included. */
  longestMs(): number;
  /** No further call is made; resolves when those under way have ended. */
  stop(): Promise<void>;
}

/** Refusals that are told; the rest are only fewer promises. */
const MAX_REFUSALS = 1_000;

export function startLoad(chaos: Chaos, observer: Observer, options: LoadOptions = {}): Load {
  const { callers = 5, restMs = 5, everyMs, workMs, followsResults = false } = options;
  const { mill, log, types } = observer;
  const kept: Kept[] = [];
  const refusals: Refusal[] = [];
  const results = new Map<string, number>();
  let isStopping = false;
  let next = 0;
  let longestMs = 0;
  const call = async (): Promise<void> => {
    next += 1;
    const number = next;
    const calledAtMs = performance.now();
    log.intend(number);
    try {
      const input = workMs === undefined ? { number } : { number, workMs };
      const receipt = await mill.enqueue(types.work, input);
      const { id } = receipt;
      if (followsResults) {
        const note = (): void => void results.set(id, performance.now());
        receipt.result().then(note, () => {});
      }
      log.acknowledge({ number, id });
      kept.push({ number, id, calledAtMs, keptAtMs: performance.now() });
    } catch (error) {
      if (refusals.length < MAX_REFUSALS) refusals.push(toRefusal(error));
    }
    longestMs = Math.max(longestMs, performance.now() - calledAtMs);
  };
  const goesOn = (): boolean => !isStopping && !chaos.signal.aborted;
  const callInTurn = async (): Promise<void> => {
    for (; goesOn(); await sleep(restMs)) await call();
  };
  const underWay = new Set<Promise<void>>();
  const callAnyway = async (pauseMs: number): Promise<void> => {
    for (; goesOn(); await sleep(pauseMs)) {
      const calling = call().finally(() => underWay.delete(calling));
      underWay.add(calling);
    }
    await Promise.all(underWay);
  };
  const calling =
    everyMs === undefined
      ? Promise.all(Array.from({ length: callers }, callInTurn))
      : callAnyway(everyMs);
  return {
    kept,
    refusals,
    results,
    keptSince: (atMs) => kept.filter(({ keptAtMs }) => keptAtMs >= atMs),
    longestMs: () => Math.round(longestMs),
    stop: async () => {
      isStopping = true;
      await calling;
    },
  };
}
