// A producer: asks for jobs, and writes down what it wanted and what it was promised.
import type { Millrace } from "millrace";
import type { ChaosInput, ChaosType } from "../programs/jobs.ts";
import type { EffectLog } from "./effect-log.ts";

/** Jobs to ask for. */
export interface Production {
  /** The first number; the others follow. */
  readonly from: number;
  readonly count: number;
  /** Each waits for its promise before it asks for the next. */
  readonly callers?: number;
  readonly input?: Omit<ChaosInput, "number">;
  readonly delayMs?: number;
  /** Stop at the first refusal, rather than go on with the next job. */
  readonly stopsAtRefusal?: boolean;
  /** Follow each job to its end and write down that its result was handed out. */
  readonly followsResults?: boolean;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

export interface Produced {
  readonly kept: number;
  /** Promises made after the first refusal. */
  readonly keptAfterRefusal: number;
  readonly refusals: readonly Refusal[];
}

/** Refusals that are told one by one; the rest are only fewer promises. */
const MAX_REFUSALS = 100;

export async function produce(
  mill: Millrace,
  type: ChaosType,
  log: EffectLog,
  production: Production,
): Promise<Produced> {
  const {
    from,
    count,
    callers = 1,
    input,
    delayMs,
    stopsAtRefusal = false,
    followsResults = false,
  } = production;
  const refusals: Refusal[] = [];
  let kept = 0;
  let keptAfterRefusal = 0;
  let next = from;
  const call = async (): Promise<void> => {
    while (next < from + count && !(stopsAtRefusal && refusals.length > 0)) {
      const number = next;
      next += 1;
      log.intend(number);
      try {
        const options = delayMs === undefined ? {} : { delay: delayMs };
        const receipt = await mill.enqueue(type, { ...input, number }, options);
        const { id } = receipt;
        log.acknowledge({ number, id });
        if (followsResults) {
          const complete = (): void => log.complete({ number, id });
          receipt.result().then(complete, () => {});
        }
        kept += 1;
        if (refusals.length > 0) keptAfterRefusal += 1;
      } catch (error) {
        if (refusals.length < MAX_REFUSALS) refusals.push(toRefusal(error));
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return { kept, keptAfterRefusal, refusals };
}

/** An error in a form that crosses a channel. */
export function toRefusal(error: unknown): Refusal {
  if (!(error instanceof Error)) return { code: "none", message: String(error) };
  const { code } = error as { code?: unknown };
  return { code: typeof code === "string" ? code : "none", message: error.message };
}
