// What the roll-up tests start: the example server and an aggregator that tells everything it does.
import { Aggregator, type AggregatorNotice, type AggregatorOptions } from "millrace/rollup";
import { afterEach, vi } from "vitest";
import { pairKey } from "../../examples/rollup-server/ledger.ts";
import { RollupServer, type RollupServerOptions } from "../../examples/rollup-server/server.ts";

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export type NoticeOf<K extends AggregatorNotice["kind"]> = Extract<AggregatorNotice, { kind: K }>;

export async function startServer(options: RollupServerOptions = {}): Promise<RollupServer> {
  const server = new RollupServer({ port: 0, ...options });
  await server.start();
  closing.push(() => server.stop());
  return server;
}

/** An aggregator with its notices, in the order they came. */
export interface Started {
  readonly aggregator: Aggregator;
  readonly notices: AggregatorNotice[];
  readonly of: <K extends AggregatorNotice["kind"]>(kind: K) => NoticeOf<K>[];
}

/** Starts an aggregator that declares to the server's ledger what it received before every loss. */
export async function startAggregator(
  server: RollupServer,
  options: AggregatorOptions = {},
): Promise<Started> {
  const notices: AggregatorNotice[] = [];
  const aggregator = new Aggregator({
    url: server.url,
    every: 50,
    reconnect: { min: 1, max: 20 },
    ...options,
    notify: (notice) => {
      notices.push(notice);
      if (notice.kind === "disconnected" && notice.connection > 0) {
        server.ledger.declare(notice.connection, notice.received);
      }
    },
  });
  closing.push(() => aggregator.stop());
  await aggregator.start();
  await vi.waitFor(() => {
    if (aggregator.stats().state !== "open" || !server.isConnected)
      throw new Error("not connected");
  });
  return {
    aggregator,
    notices,
    of: (kind) => notices.filter((notice) => notice.kind === kind) as never,
  };
}

/** Waits until a condition holds; the message says what did not happen. */
export async function until(what: string, holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  await vi.waitFor(
    () => {
      if (!holds()) throw new Error(`still waiting until ${what}`);
    },
    { timeout: timeoutMs, interval: 5 },
  );
}

/** The counts of all windows by pair, and their sum. */
export function totalsOf(windows: readonly NoticeOf<"window">[]): {
  readonly byPair: ReadonlyMap<string, number>;
  readonly messages: number;
} {
  const byPair = new Map<string, number>();
  let messages = 0;
  for (const { window } of windows) {
    messages += window.messages;
    for (const { source, destination, count } of window.rows()) {
      const key = pairKey(source, destination);
      byPair.set(key, (byPair.get(key) ?? 0) + count);
    }
  }
  return { byPair, messages };
}

/** A map in an order of its own, so that two can be compared by eye when they differ. */
export function sorted(
  totals: ReadonlyMap<string, number>,
): readonly (readonly [string, number])[] {
  return [...totals].sort(([left], [right]) => (left < right ? -1 : 1));
}
