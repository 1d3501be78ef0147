// Jobs that were claimed for an idle worker when they were enqueued, from the message until the worker asks for them.
import type { ClaimRequest } from "../../../core/store.ts";
import type { Held } from "./claims.ts";
import { trim } from "./late-replies.ts";
import type { OpenRoom } from "../rooms.ts";

/**
 * Longest time that one is kept for its worker: as long as a worker holds what it claimed ahead. Then it is given back,
 * so that another can have it.
 */
const LONGEST_KEPT_MS = 50;
/** Tokens remembered, so that what is told twice is taken once. At most one a worker and room is told again. */
const MAX_KNOWN = 10_000;

/** What the handed jobs of a store's workers need. */
interface HandedParts {
  /** It was heard of: whoever settles or reports finds it. */
  readonly onHeard: (claim: Held) => void;
  readonly giveBack: (claims: readonly Held[]) => Promise<void>;
}

/** The handed jobs of the workers of one store. */
export class HandedJobs {
  readonly #parts: HandedParts;
  readonly #kept = new Map<string, Held[]>();
  readonly #known = new Map<string, true>();
  readonly #lastHeard = new Map<string, string>();

  constructor(parts: HandedParts) {
    this.#parts = parts;
  }

  /** A job was handed to a worker. Gives back whether that is news; where the worker is full the job goes to others. */
  hear(claim: Held, isFull: boolean): boolean {
    const { worker, token, room } = claim;
    if (this.#known.has(token)) return false;
    this.#known.set(token, true);
    this.#lastHeard.set(placeOf(worker, room), token);
    trim(this.#known, MAX_KNOWN);
    trim(this.#lastHeard, MAX_KNOWN);
    this.#parts.onHeard(claim);
    if (isFull) {
      void this.#parts.giveBack([claim]);
      return false;
    }
    const kept = this.#kept.get(worker);
    if (kept !== undefined) kept.push(claim);
    else {
      this.#kept.set(worker, [claim]);
      setTimeout(() => this.giveBack(worker), LONGEST_KEPT_MS).unref();
    }
    return true;
  }

  /** What a worker says to a room of those that it heard of; `isSeen`: whether the room's primary sees it. */
  wordTo(room: OpenRoom, worker: string, isSeen: boolean): string {
    return `${isSeen ? "&" : "+"}${this.#lastHeard.get(placeOf(worker, room)) ?? ""}`;
  }

  /** Whether something is kept for a worker. */
  has(worker: string): boolean {
    return this.#kept.has(worker);
  }

  /** Takes what fits a claim, at most so many; what does not fit is given back. */
  take(worker: string, { offers }: ClaimRequest, most: number): readonly Held[] {
    const kept = this.#kept.get(worker) ?? [];
    this.#kept.delete(worker);
    const left = offers.map((offer) => ({ ...offer }));
    const taken: Held[] = [];
    const rest: Held[] = [];
    for (const claim of kept) {
      const { room, lane } = claim;
      const offer = left.find(({ queue, type }) => queue === room.queue && type === lane.type);
      if (offer === undefined || offer.capacity <= 0 || taken.length >= most) rest.push(claim);
      else {
        offer.capacity -= 1;
        taken.push(claim);
      }
    }
    if (rest.length > 0) void this.#parts.giveBack(rest);
    return taken;
  }

  /** Gives back what is kept for a worker: it has no use for it now. */
  giveBack(worker: string): void {
    const kept = this.#kept.get(worker);
    this.#kept.delete(worker);
    if (kept !== undefined) void this.#parts.giveBack(kept);
  }

  /** A worker's lease ended. */
  forget(worker: string): void {
    this.#kept.delete(worker);
    for (const place of this.#lastHeard.keys()) {
      if (place.startsWith(`${worker}\0`)) this.#lastHeard.delete(place);
    }
  }
}

function placeOf(worker: string, room: OpenRoom): string {
  return `${worker}\0${room.name}`;
}
