// The claims of this process, remembered: settling one then needs no look at its row.
import type { JobId } from "../../core/ids.ts";
import { SlidingMap } from "../../core/sliding-map.ts";
import type { Group } from "./flow/gates.ts";
import type { Lane } from "./lanes.ts";

/** Claims remembered; what is forgotten is settled by a look at its row. */
const MAX_REMEMBERED_CLAIMS = 100_000;

/** The claim of a job with keys, or of one that stands for others, as its row was. */
export interface FlowClaim {
  readonly lane: Lane;
  readonly extras: number;
  readonly rest: string;
  /** Of its keys. */
  readonly group: Group | undefined;
  /** What it stands for. */
  readonly unique: string | undefined;
}

/** The claim of a step of a run that has nothing else beside its row. */
export interface StepClaim {
  readonly lane: Lane;
  readonly parent: JobId;
  readonly attempt: number;
  readonly startedAtMs: number;
}

/** What is known of claims, by token. Only a hint: what the tables say decides. */
export class Claims {
  readonly #lanes = new SlidingMap<string, Lane>();
  readonly #flow = new SlidingMap<string, FlowClaim>();
  readonly #steps = new SlidingMap<string, StepClaim>();

  rememberFlow(token: string, claim: FlowClaim): void {
    put(this.#flow, token, claim);
  }

  /** The claim of a job with keys, or of one that stands for others; it is forgotten. */
  takeFlow(token: string): FlowClaim | undefined {
    return take(this.#flow, token);
  }

  rememberStep(token: string, claim: StepClaim): void {
    put(this.#steps, token, claim);
  }

  /** The claim of a step; it is forgotten. */
  takeStep(token: string): StepClaim | undefined {
    return take(this.#steps, token);
  }

  remember(token: string, lane: Lane): void {
    put(this.#lanes, token, lane);
  }

  /** The lane of a claim; it is forgotten. */
  take(token: string): Lane | undefined {
    return take(this.#lanes, token);
  }

  clear(): void {
    this.#lanes.clear();
    this.#flow.clear();
    this.#steps.clear();
  }
}

function put<Claim>(claims: SlidingMap<string, Claim>, token: string, claim: Claim): void {
  if (claims.size >= MAX_REMEMBERED_CLAIMS) claims.clear();
  claims.set(token, claim);
}

function take<Claim>(claims: SlidingMap<string, Claim>, token: string): Claim | undefined {
  const claim = claims.get(token);
  if (claim !== undefined) claims.delete(token);
  return claim;
}
