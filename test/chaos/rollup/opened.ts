// Opens server and aggregator for a scenario, which closes them.
import type { AggregatorOptions } from "millrace/rollup";
import type { RollupServer, RollupServerOptions } from "../../../examples/rollup-server/server.ts";
import { openAggregator, openServer, type Started } from "../../rollup/aggregated.ts";
import type { Chaos } from "../harness/index.ts";

export async function serverFor(
  chaos: Chaos,
  options: RollupServerOptions = {},
): Promise<RollupServer> {
  const server = await openServer({ seed: chaos.random.seed, ...options });
  chaos.use({ [Symbol.asyncDispose]: async () => void (await server.stop()) });
  return server;
}

export async function aggregatorFor(
  chaos: Chaos,
  server: RollupServer,
  options: AggregatorOptions = {},
): Promise<Started> {
  const started = await openAggregator(server, options);
  chaos.use({ [Symbol.asyncDispose]: () => started.aggregator.stop() });
  return started;
}
