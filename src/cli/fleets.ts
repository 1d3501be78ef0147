// The fleets that a config declares: kept running beside a worker, and told of in its log.
import { type FleetEvent, type FleetOptions, openFleet } from "../fleet/index.ts";
import type { Logger } from "../runtime/index.ts";

/** Starts every fleet; the function it gives stops them all. */
export function openFleets(
  fleets: Readonly<Record<string, FleetOptions>>,
  logger: Logger,
): () => Promise<void> {
  const opened = Object.entries(fleets).map(([name, options]) => {
    const fleet = openFleet(options);
    fleet.subscribe((event) => logEvent(name, event, logger));
    return fleet;
  });
  return async () => {
    await Promise.all(opened.map((fleet) => fleet.stop()));
  };
}

/** What needs a hand is an error, what mends itself a warning. */
function logEvent(name: string, { atMs: _at, type, ...fields }: FleetEvent, logger: Logger): void {
  const line = [{ fleet: name, ...fields }, `fleet: ${type}`] as const;
  if (type === "degraded" || type === "unguarded" || type === "roll-halted") logger.error(...line);
  else if (type === "crashed" || type === "failed") logger.warn(...line);
  else if (type === "ready" || type === "stopped") logger.info(...line);
  else logger.debug(...line);
}
