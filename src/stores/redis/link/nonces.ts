// Nonces: by them a script recognises a call that it has answered before.
import { randomBytes } from "node:crypto";

/** Bytes of a nonce. */
export const NONCE_BYTES = 12;

/** Makes nonces: six bytes that stand for this process, and a counter. */
export function createNonceMaker(): () => Buffer {
  const sender = randomBytes(6);
  let count = 0;
  return () => {
    const nonce = Buffer.allocUnsafe(NONCE_BYTES);
    sender.copy(nonce);
    nonce.writeUIntBE(count, 6, 6);
    count += 1;
    return nonce;
  };
}
