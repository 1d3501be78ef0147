// Gates that open by themselves: of a rate, or of a pause that a handler asked for.
import type { Context } from "../context.ts";
import { unparkAll } from "./gates.ts";

/** Gates opened by time in one call, so that it holds up nobody for long. */
const MAX_OPENED = 1_000;

/** Opens gates whose time has come. Gives when the next one opens; `null`: none does by time. */
export function openDue(context: Context): number | null {
  const { connection, namespace, nowMs, gates } = context;
  if (context.lanes.keyed().length === 0) return null;
  if (gates.nextOpensAtMs === undefined) gates.nextOpensAtMs = readNextOpening(context);
  if (gates.nextOpensAtMs === null || gates.nextOpensAtMs > nowMs) return gates.nextOpensAtMs;
  // What this transaction changed must be found.
  gates.write(context);
  for (const [no] of connection.all(
    "SELECT no FROM gates WHERE namespace = ? AND opens_at <= ? ORDER BY opens_at LIMIT ?",
    namespace,
    nowMs,
    MAX_OPENED,
  )) {
    const gate = gates.gate(context, Number(no));
    gate.opensAtMs = null;
    gates.change(gate);
    unparkAll(context, gate);
  }
  gates.write(context);
  gates.nextOpensAtMs = readNextOpening(context);
  return gates.nextOpensAtMs;
}

/** When the first gate opens by time. */
function readNextOpening({ connection, namespace }: Context): number | null {
  const at = connection.first(
    "SELECT min(opens_at) FROM gates WHERE namespace = ? AND opens_at IS NOT NULL",
    namespace,
  )?.[0];
  return at === null || at === undefined ? null : Number(at);
}
