// The slots that are reserved for children: a step that its run's own worker serves is handed over as it is enqueued.
import type { AdvanceReply, ChildJob } from "../../core/run.ts";
import type { ClaimedJob } from "../../core/store.ts";
import { claimOf } from "./children.ts";
import type { ClaimTokens } from "./claim-tokens.ts";
import type { Sent } from "../exchanges/held-runs.ts";
import type { QuickSteps } from "../quick-steps/quick-steps.ts";
import type { Slots } from "./slots.ts";

/** The reserved slots of one worker. */
export class ReservedSlots {
  readonly #slots: Slots;
  readonly #tokens: ClaimTokens;
  readonly #quick: QuickSteps;
  readonly #onLeft: () => void;
  #reservable = 0;

  /** `onLeft`: a child that a slot was reserved for was not handed over. */
  constructor(slots: Slots, tokens: ClaimTokens, quick: QuickSteps, onLeft: () => void) {
    this.#slots = slots;
    this.#tokens = tokens;
    this.#quick = quick;
    this.#onLeft = onLeft;
  }

  /**
   * Slots that children may get by what is being gathered: the store has answered, or will by then, for who had them.
   */
  allow(reservable: number): void {
    this.#reservable = reservable;
  }

  /** Reserves a slot for a child that a run would hand to this worker. */
  reserve(child: ChildJob): string | null {
    if (this.#reservable <= 0 || !this.#slots.reserve(child)) {
      this.#quick.noteUnasked(child.type);
      return null;
    }
    this.#reservable -= 1;
    return this.#tokens.next();
  }

  /** Gives up the reserved slots, and gives back the children that were handed over. */
  unreserve(words: readonly Sent[], replies: readonly AdvanceReply[] | null): ClaimedJob[] {
    const handedOver: ClaimedJob[] = [];
    for (const [index, { advance }] of words.entries()) {
      const reply = replies?.[index];
      for (const child of advance.children ?? []) {
        if (child.token === undefined) {
          // It waits in its lane, before whatever comes after it.
          if (reply?.accepted === true) this.#quick.noteClosed(child.type);
          continue;
        }
        const isClaimed = reply?.accepted === true && reply.claimed.includes(child.id);
        if (child.isBegun === true) {
          // Where the exchange failed the same is said again.
          if (replies !== null) this.#quick.became(child, isClaimed);
          continue;
        }
        this.#slots.give(child.type);
        if (isClaimed) {
          this.#quick.noteOpen(child);
          handedOver.push(claimOf(child, child.token, advance.id, reply.nowMs));
        } else {
          this.#quick.noteClosed(child.type);
          // It waits in its lane like any other, and the slot that was kept for it was not offered to that lane.
          this.#onLeft();
        }
      }
    }
    return handedOver;
  }
}
