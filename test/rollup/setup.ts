// Starts what `aggregated.ts` opens and closes it after each test.
import type { AggregatorOptions } from "millrace/rollup";
import { afterEach } from "vitest";
import type { RollupServer, RollupServerOptions } from "../../examples/rollup-server/server.ts";
import { openAggregator, openServer, type Started } from "./aggregated.ts";

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export async function startServer(options?: RollupServerOptions): Promise<RollupServer> {
  const server = await openServer(options);
  closing.push(() => server.stop());
  return server;
}

export async function startAggregator(
  server: RollupServer,
  options?: AggregatorOptions,
): Promise<Started> {
  const started = await openAggregator(server, options);
  closing.push(() => started.aggregator.stop());
  return started;
}
