// How many samples a free member is asked for.

/**
 * Half of what each member would give if all gave the same, and at least one.
 *
 * Asked for its whole part, a member that crashes or is slow leaves much to be given out again, late;
 * asked for one at a time, it costs a connection a sample. With halves the shares shrink to one
 * towards the end, when they must be even, and a member needs about log2 of its part in connections.
 *
 * @param unassigned samples that no member was asked for
 * @param missing samples that have not come, asked for or not
 * @param members members that take part
 */
export function nextShare(unassigned: number, missing: number, members: number): number {
  const half = Math.floor(missing / Math.max(1, members) / 2);
  return Math.min(unassigned, Math.max(1, half));
}
