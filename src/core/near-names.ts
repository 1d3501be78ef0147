// Names that somebody may have meant who wrote another.

/** Names offered at most. */
const MAX_OFFERED = 3;
/** Slips of the hand that a name may have, in a long name: two in `hsah-teee`, one in `mial`. */
const MAX_SLIPS = 2;
/** A shorter name has one slip at most: with two, `mail` would be near `main`, `pay` and `jobs`. */
const LONG_NAME = 6;

/** The names that are a slip or two away, the nearest first. */
export function nearNames(wrong: string, names: Iterable<string>): readonly string[] {
  const most = wrong.length < LONG_NAME ? 1 : MAX_SLIPS;
  return [...new Set(names)]
    .map((name) => ({ name, slips: slipsBetween(wrong.toLowerCase(), name.toLowerCase()) }))
    .filter(({ slips }) => slips <= most)
    .sort((left, right) => left.slips - right.slips || (left.name < right.name ? -1 : 1))
    .slice(0, MAX_OFFERED)
    .map(({ name }) => name);
}

/** Letters left out, added, mistaken, or swapped with the next: the optimal string alignment distance. */
function slipsBetween(from: string, to: string): number {
  let before: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let row = 1; row <= from.length; row += 1) {
    const own = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      own[column] = Math.min(
        (last[column] ?? 0) + 1,
        (own[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
        isSwapped && row > 1 && column > 1
          ? (before[column - 2] ?? 0) + 1
          : Number.POSITIVE_INFINITY,
      );
    }
    before = last;
    last = own;
  }
  return last[to.length] ?? 0;
}
