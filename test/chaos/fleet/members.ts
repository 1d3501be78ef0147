// What the faults of fleets happen to: the example worker, and fleets that end with their run.
import { type Fleet, type FleetEvent, type FleetOptions, openFleet } from "millrace/fleet";
import type { Chaos } from "../harness/index.ts";

/** A fleet and all that it told, ended with the run. */
export function fleetFor(
  chaos: Chaos,
  options: FleetOptions,
): { readonly fleet: Fleet; readonly events: FleetEvent[] } {
  const fleet = openFleet(options);
  chaos.use({ [Symbol.asyncDispose]: () => fleet.stop() });
  const events: FleetEvent[] = [];
  fleet.subscribe((event) => events.push(event));
  return { fleet, events };
}

/** The number of events of a kind. */
export function count(events: readonly FleetEvent[], type: FleetEvent["type"]): number {
  return events.filter((event) => event.type === type).length;
}
