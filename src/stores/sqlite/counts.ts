// Exact counts of jobs per lane and state, kept by one small update per transaction: counting millions is never needed.
import { JOB_STATES, type JobState } from "../../core/job.ts";
import type { Connection } from "./thread/connection.ts";

/** The number that stands for a state in the tables. */
export const STATE: Readonly<Record<JobState, number>> = Object.fromEntries(
  JOB_STATES.map((state, index) => [state, index]),
) as Record<JobState, number>;

/** Gathers the changes of one transaction. */
export interface Counts {
  add(lane: number, state: number, by: number): void;
  /** What was gathered for lanes and a state, and is not written yet. */
  pending(lanes: readonly { readonly no: number }[], state: number): number;
  /** Writes what was gathered; before the commit. */
  write(): void;
  /** Forgets what was gathered; after a rollback. */
  discard(): void;
}

/** More states than there are, so that lane and state make one number. */
const STATES_PER_LANE = 16;

/** Counts of the file behind a connection. */
export function openCounts(connection: Connection): Counts {
  const gathered = new Map<number, number>();
  return {
    add: (lane, state, by) => {
      const key = lane * STATES_PER_LANE + state;
      gathered.set(key, (gathered.get(key) ?? 0) + by);
    },
    pending: (lanes, state) => {
      let sum = 0;
      for (const { no } of lanes) sum += gathered.get(no * STATES_PER_LANE + state) ?? 0;
      return sum;
    },
    write: () => {
      for (const [key, by] of gathered) {
        if (by === 0) continue;
        connection.run(
          "INSERT INTO counts (lane, state, n) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
          Math.floor(key / STATES_PER_LANE),
          key % STATES_PER_LANE,
          by,
        );
      }
      gathered.clear();
    },
    discard: () => gathered.clear(),
  };
}
