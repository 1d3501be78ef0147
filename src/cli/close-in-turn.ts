// Ending the parts of a process: each in its turn, whatever becomes of those before it.

/**
 * Calls each when the one before has ended, well or badly.
 *
 * @throws what one of them threw, or an `AggregateError` of several
 */
export async function closeInTurn(closers: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closers) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) {
    const told = errors.map((error) => (error instanceof Error ? error.message : String(error)));
    throw new AggregateError(errors, told.join("; "));
  }
}
