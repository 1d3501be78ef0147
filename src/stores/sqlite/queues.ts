// Queues and job types: counts, pauses, and what was made known.
import { JOB_STATES, type JobState } from "../../core/job.ts";
import { isListedQueue, namedQueues } from "../../core/listed-queues.ts";
import type { ClosedDoor, QueueRecord, SetPaused, TypeRecord } from "../../core/store.ts";
import type { Row } from "./thread/connection.ts";
import { type Context, bumpRevision, encodeType } from "./context.ts";
import { openGates } from "./flow/limits.ts";
import { workerDescriptions } from "./leases.ts";

/** The queues with their counts. */
export function queues(context: Context): QueueRecord[] {
  const { connection, namespace } = context;
  const counts = new Map<string, Record<JobState, number>>();
  const countsOf = (queue: string): Record<JobState, number> => {
    let own = counts.get(queue);
    if (own === undefined) {
      own = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>;
      counts.set(queue, own);
    }
    return own;
  };
  for (const [queue, state, n] of connection.all(
    "SELECT queue, state, n FROM lanes LEFT JOIN counts ON lane = no WHERE namespace = ?",
    namespace,
  )) {
    const own = countsOf(String(queue));
    const name = state === null ? undefined : JOB_STATES[Number(state)];
    if (name !== undefined) own[name] += Number(n);
  }
  const doors = new Map<string, Pick<QueueRecord, "paused" | "draining">>();
  for (const [name, paused, draining] of connection.all(
    "SELECT name, paused, draining FROM queues WHERE namespace = ?",
    namespace,
  )) {
    countsOf(String(name));
    doors.set(String(name), { paused: readDoor(paused), draining: readDoor(draining) });
  }
  const named = namedQueues({
    types: context.types.values(),
    workers: workerDescriptions(context),
    limits: context.limits.table,
  });
  for (const name of named) countsOf(name);
  return [...counts]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, own]) => ({ name, ...(doors.get(name) ?? OPEN), counts: own }))
    .filter((queue) => isListedQueue(queue, named));
}

const OPEN: Pick<QueueRecord, "paused" | "draining"> = { paused: null, draining: null };

function readDoor(text: Row[number] | undefined): ClosedDoor | null {
  return typeof text === "string" ? (JSON.parse(text) as ClosedDoor) : null;
}

/** Opens or closes a queue's doors. */
export function setPaused(context: Context, request: SetPaused): void {
  const { by, reason } = request;
  const door = JSON.stringify({ by, reason, atMs: context.nowMs });
  const { connection, namespace } = context;
  connection.run(
    "INSERT INTO queues (namespace, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
    namespace,
    request.queue,
  );
  for (const name of ["paused", "draining"] as const) {
    const isClosed = request[name];
    if (isClosed === undefined) continue;
    connection.run(
      `UPDATE queues SET ${name} = ? WHERE namespace = ? AND name = ?`,
      isClosed ? door : null,
      namespace,
      request.queue,
    );
  }
  bumpRevision(context);
  if (request.paused === false) context.effects.hasResumed = true;
}

/** Makes types known. What is known already costs nothing. */
export function putTypes(context: Context, types: readonly TypeRecord[]): void {
  let hasChanged = false;
  for (const type of types) {
    const changed = context.connection.run(
      `INSERT INTO types VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record
       WHERE record <> excluded.record`,
      context.namespace,
      type.name,
      encodeType(type),
    );
    hasChanged ||= changed > 0;
  }
  if (!hasChanged) return;
  bumpRevision(context);
  openGates(context);
}

/** The types that were made known. */
export function listTypes(context: Context): TypeRecord[] {
  return [...context.types.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}
