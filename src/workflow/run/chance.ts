// Chance that is the same in every replay: drawn from the run's id and a counter.
import { createHash } from "node:crypto";
import type { JobId } from "../../core/ids.ts";

/** What a run draws. */
export interface Chance {
  /** In [0, 1). */
  random(): number;
  uuid(): string;
}

/** Makes the chance of a run. */
export function createChance(runId: JobId): Chance {
  let drawn = 0;
  const next = (): Buffer => {
    drawn += 1;
    return createHash("sha256").update(`${runId}:${drawn}`).digest();
  };
  return {
    random: () => next().readUIntBE(0, 6) / 2 ** 48,
    uuid: () => {
      const bytes = next().subarray(0, 16);
      // Version 4 and its variant (RFC 9562).
      bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
      bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
      const hex = bytes.toString("hex");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  };
}
