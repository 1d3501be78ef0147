// The tokens of a worker's claims: each names one claim and no other that ever was.
import { randomBytes } from "node:crypto";
import type { ClaimRequest } from "../../core/store.ts";

/** Counts under a nonce, which also tells apart what two workers count. */
export class ClaimTokens {
  readonly #tokenNonce = randomBytes(16).toString("base64url");
  #nextToken = 1;

  /** The range of a request for so many jobs. */
  range(capacity: number): Pick<ClaimRequest, "tokenNonce" | "firstToken"> {
    const firstToken = this.#nextToken;
    // No range is used twice, whatever becomes of the request.
    this.#nextToken += capacity;
    return { tokenNonce: this.#tokenNonce, firstToken };
  }

  /** The token of one job. */
  next(): string {
    this.#nextToken += 1;
    return `${this.#tokenNonce}.${this.#nextToken - 1}`;
  }
}
