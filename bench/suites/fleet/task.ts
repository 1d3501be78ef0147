// What all subjects of the fleet suite are given to do.
import { fileURLToPath } from "node:url";

/** A collection to make. */
export interface Task {
  readonly samples: number;
  readonly workers: number;
  readonly paceMs: number;
  /** The worker program's further switches. */
  readonly switches: readonly string[];
}

export const WORKER: string = fileURLToPath(
  new URL("../../../examples/fleet-worker/worker", import.meta.url),
);

/** Starting a worker takes long beside a pace of the short form, so lives are not as short as paces there. */
const QUICK_LIFE_SHARE = 0.5;

/** 150 samples from 16 workers, as wanted; the short form has workers ten times as fast. */
export function task(isQuick: boolean, meanLifeMs?: number): Task {
  const paceMs = isQuick ? 100 : 1_000;
  const lifeMs = meanLifeMs !== undefined && meanLifeMs * (isQuick ? QUICK_LIFE_SHARE : 1);
  const life = lifeMs === false ? [] : ["-crashMean", String(lifeMs)];
  return { samples: 150, workers: 16, paceMs, switches: ["-pace", String(paceMs), ...life] };
}
