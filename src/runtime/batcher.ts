// Group commit at the edge: calls made at the same moment, or while a write is under way, share one write.

interface Waiting<Item, Reply> {
  readonly items: readonly Item[];
  readonly resolve: (replies: readonly Reply[]) => void;
  readonly reject: (reason: unknown) => void;
}

/** Gathers items of many callers into few calls. */
export interface Batcher<Item, Reply> {
  /** Adds items; they stay together and their replies are in order. */
  add(items: readonly Item[]): Promise<readonly Reply[]>;
  /** Settles when everything added so far has its reply. */
  readonly drained: () => Promise<void>;
}

/**
 * Makes a batcher. One `flush` is under way at a time, so the batch grows with the load by itself: a lone caller waits
 * for nothing, a hundred callers share a write.
 *
 * A list longer than `maxItems` goes out in a flush of its own. Where a flush fails, all its callers are told.
 */
export function createBatcher<Item, Reply>(
  maxItems: number,
  flush: (items: readonly Item[]) => Promise<readonly Reply[]>,
): Batcher<Item, Reply> {
  let queue: Waiting<Item, Reply>[] = [];
  let running: Promise<void> | undefined;

  const run = async (): Promise<void> => {
    // One turn of microtasks gathers the callers of this moment.
    await Promise.resolve();
    while (queue.length > 0) {
      const batch = takeBatch();
      try {
        const items =
          batch.length === 1 ? batch[0]?.items : batch.flatMap((waiting) => waiting.items);
        hand(batch, await flush(items ?? []));
      } catch (error) {
        for (const waiting of batch) waiting.reject(error);
      }
    }
    running = undefined;
  };

  const takeBatch = (): Waiting<Item, Reply>[] => {
    let count = 0;
    let end = 0;
    while (end < queue.length) {
      count += queue[end]?.items.length ?? 0;
      if (end > 0 && count > maxItems) break;
      end += 1;
    }
    const batch = queue.slice(0, end);
    queue = end === queue.length ? [] : queue.slice(end);
    return batch;
  };

  return {
    add: (items) =>
      new Promise((resolve, reject) => {
        queue.push({ items, resolve, reject });
        running ??= run();
      }),
    drained: async () => {
      while (running !== undefined) await running;
    },
  };
}

function hand<Item, Reply>(
  batch: readonly Waiting<Item, Reply>[],
  replies: readonly Reply[],
): void {
  if (batch.length === 1) {
    batch[0]?.resolve(replies);
    return;
  }
  let start = 0;
  for (const waiting of batch) {
    waiting.resolve(replies.slice(start, start + waiting.items.length));
    start += waiting.items.length;
  }
}
