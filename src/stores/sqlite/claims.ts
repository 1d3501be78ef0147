// The claims of this process, remembered: settling one then needs no look at its row.
import type { Lane } from "./lanes.ts";

/** Claims remembered; what is forgotten is settled by a look at its row. */
const MAX_REMEMBERED_CLAIMS = 100_000;

/** The claim of a job with keys, as its row was. */
export interface KeyedClaim {
  readonly lane: Lane;
  readonly group: number;
  readonly rest: string;
}

/** Lanes by token. Only a hint: what the tables say decides. */
export class Claims {
  readonly #lanes = new Map<string, Lane>();

  readonly #keyed = new Map<string, KeyedClaim>();

  rememberKeyed(token: string, claim: KeyedClaim): void {
    if (this.#keyed.size >= MAX_REMEMBERED_CLAIMS) this.#keyed.clear();
    this.#keyed.set(token, claim);
  }

  /** The claim of a job with keys; it is forgotten. */
  takeKeyed(token: string): KeyedClaim | undefined {
    const claim = this.#keyed.get(token);
    if (claim !== undefined) this.#keyed.delete(token);
    return claim;
  }

  remember(token: string, lane: Lane): void {
    if (this.#lanes.size >= MAX_REMEMBERED_CLAIMS) this.#lanes.clear();
    this.#lanes.set(token, lane);
  }

  /** The lane of a claim; it is forgotten. */
  take(token: string): Lane | undefined {
    const lane = this.#lanes.get(token);
    if (lane !== undefined) this.#lanes.delete(token);
    return lane;
  }

  clear(): void {
    this.#lanes.clear();
    this.#keyed.clear();
  }
}
