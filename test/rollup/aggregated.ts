// The example server and an aggregator that tells everything it does, for tests and chaos alike.
import { setTimeout as sleep } from "node:timers/promises";
import { Aggregator, type AggregatorNotice, type AggregatorOptions } from "millrace/rollup";
import { pairKey } from "../../examples/rollup-server/ledger.ts";
import { RollupServer, type RollupServerOptions } from "../../examples/rollup-server/server.ts";

const POLL_MS = 5;

export type NoticeOf<K extends AggregatorNotice["kind"]> = Extract<AggregatorNotice, { kind: K }>;

/** An aggregator with its notices, in the order they came. */
export interface Started {
  readonly aggregator: Aggregator;
  readonly notices: AggregatorNotice[];
  readonly of: <K extends AggregatorNotice["kind"]>(kind: K) => NoticeOf<K>[];
}

export async function openServer(options: RollupServerOptions = {}): Promise<RollupServer> {
  const server = new RollupServer({ port: 0, ...options });
  await server.start();
  return server;
}

/** Starts an aggregator that declares to the server's ledger what it received before every loss. */
export async function openAggregator(
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
  await aggregator.start();
  const isOpen = (): boolean => aggregator.stats().state === "open" && server.isConnected;
  await until("the aggregator is connected", isOpen);
  return {
    aggregator,
    notices,
    of: (kind) => notices.filter((notice) => notice.kind === kind) as never,
  };
}

/** Waits until a condition holds; the error says what did not happen. */
export async function until(what: string, holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms until ${what}`);
    await sleep(POLL_MS);
  }
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

/** How many pairs two counts disagree on. */
export function differences(
  left: ReadonlyMap<string, number>,
  right: ReadonlyMap<string, number>,
): number {
  const keys = new Set([...left.keys(), ...right.keys()]);
  return [...keys].filter((key) => left.get(key) !== right.get(key)).length;
}
