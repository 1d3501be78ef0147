// Group commit at the edge: calls made at the same moment, or while a write is under way, share one write.

interface Waiting<Item, Reply> {
  readonly items: readonly Item[];
  readonly resolve: (replies: readonly Reply[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * A flush that takes longer is held up by something that others need not wait for: of a Cluster one primary may be away,
 * and most callers' jobs are kept by another.
 */
const PATIENCE_MS = 100;
/** Most flushes that go beside one that is held up; beyond them callers gather again. */
const MAX_BESIDE = 1_000;

/** Gathers items of many callers into few calls. */
export interface Batcher<Item, Reply> {
  /** Adds items; they stay together and their replies are in order. */
  add(items: readonly Item[]): Promise<readonly Reply[]>;
  /** Settles when everything added so far has its reply. */
  readonly drained: () => Promise<void>;
}

/**
 * Makes a batcher. One `flush` is under way at a time, so the batch grows with the load by itself: a lone caller waits
 * for nothing, a hundred callers share a write. While one is held up, each further caller has a flush alone.
 *
 * A list longer than `maxItems` goes out in a flush of its own. Where a flush fails, all its callers are told.
 */
export function createBatcher<Item, Reply>(
  maxItems: number,
  flush: (items: readonly Item[]) => Promise<readonly Reply[]>,
): Batcher<Item, Reply> {
  let queue: Waiting<Item, Reply>[] = [];
  let running: Promise<void> | undefined;
  const beside = new Set<Promise<void>>();
  let isHeldUp = false;

  const send = async (batch: readonly Waiting<Item, Reply>[]): Promise<void> => {
    try {
      const items =
        batch.length === 1 ? batch[0]?.items : batch.flatMap((waiting) => waiting.items);
      hand(batch, await flush(items ?? []));
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  };

  const run = async (): Promise<void> => {
    // One turn of microtasks gathers the callers of this moment.
    await Promise.resolve();
    while (queue.length > 0) {
      const timer = setTimeout(goBeside, PATIENCE_MS);
      await send(queue.splice(0, fitting(queue, maxItems)));
      isHeldUp = false;
      clearTimeout(timer);
    }
    running = undefined;
  };

  const goBeside = (): void => {
    isHeldUp = true;
    while (queue.length > 0 && beside.size < MAX_BESIDE) {
      const alone = send(queue.splice(0, 1)).finally(() => {
        beside.delete(alone);
        if (isHeldUp) goBeside();
      });
      beside.add(alone);
    }
  };

  return {
    add: (items) =>
      new Promise((resolve, reject) => {
        queue.push({ items, resolve, reject });
        if (isHeldUp) goBeside();
        running ??= run();
      }),
    drained: async () => {
      while (running !== undefined || beside.size > 0) await Promise.all([running, ...beside]);
    },
  };
}

/** How many of those that wait fit into one flush: at least one. */
function fitting(
  queue: readonly { readonly items: readonly unknown[] }[],
  maxItems: number,
): number {
  let count = 0;
  let end = 0;
  while (end < queue.length) {
    count += queue[end]?.items.length ?? 0;
    if (end > 0 && count > maxItems) break;
    end += 1;
  }
  return end;
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
