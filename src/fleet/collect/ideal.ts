// The best that a fleet could have done: what its members could have given, each while it was there.

/** One process of one member, from ready to its end. Times in milliseconds from the first spawn. */
export interface Life {
  readonly readyAtMs: number;
  /** Infinity while it lives. */
  endedAtMs: number;
}

/** Binary search halves a span of a day to less than a microsecond in as many steps. */
const SEARCH_STEPS = 48;

/**
 * When `samples` would have been there if every life had given one sample at once when it was ready
 * and one more each `paceMs`, until it ended. Undefined when they could never have given so many.
 */
export function idealTimeMs(
  lives: readonly Life[],
  samples: number,
  paceMs: number,
): number | undefined {
  if (samples <= 0) return 0;
  const latestReadyMs = Math.max(0, ...lives.map((life) => life.readyAtMs));
  let highMs = latestReadyMs + samples * paceMs;
  if (givenBy(lives, highMs, paceMs) < samples) return undefined;
  let lowMs = 0;
  for (let step = 0; step < SEARCH_STEPS; step++) {
    const middleMs = (lowMs + highMs) / 2;
    if (givenBy(lives, middleMs, paceMs) >= samples) highMs = middleMs;
    else lowMs = middleMs;
  }
  return highMs;
}

function givenBy(lives: readonly Life[], timeMs: number, paceMs: number): number {
  let given = 0;
  for (const { readyAtMs, endedAtMs } of lives) {
    const livedMs = Math.min(timeMs, endedAtMs) - readyAtMs;
    if (livedMs >= 0) given += paceMs > 0 ? Math.floor(livedMs / paceMs) + 1 : Infinity;
  }
  return given;
}

/** The pace of members, from the gaps between samples of one stream; undefined without a gap. */
export function measuredPaceMs(gapsMs: readonly number[]): number | undefined {
  if (gapsMs.length === 0) return undefined;
  const sorted = gapsMs.toSorted((one, other) => one - other);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  // Fast members send many samples at one go: then only the mean says anything.
  return median > 1 ? median : sorted.reduce((sum, gap) => sum + gap, 0) / sorted.length;
}
