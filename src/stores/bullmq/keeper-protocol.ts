// What a BullMQ store and the thread that keeps its leases say to each other.
import type { SharedClock } from "../clock.ts";
import type { Keys } from "./keys.ts";
import type { BullmqLocation } from "./url.ts";

/** What the thread must know of a store. Keys are named anew from these two: functions can't go to another thread. */
export interface KeeperData {
  readonly location: BullmqLocation;
  readonly namespace: string;
  readonly clock: SharedClock | undefined;
}

/** A job whose lock is kept. */
export interface KeptJob {
  readonly queue: string;
  readonly bullId: string;
  readonly token: string;
}

export type KeeperRequest =
  /** The first word of a store. */
  | { readonly kind: "open"; readonly store: number; readonly data: KeeperData }
  | { readonly kind: "close"; readonly store: number; readonly call: number }
  | {
      readonly kind: "attach";
      readonly store: number;
      readonly worker: string;
      readonly leaseMs: number;
      readonly description: string;
      /** See heartbeat.ts. */
      readonly heartbeat: SharedArrayBuffer;
      readonly call: number;
    }
  | {
      readonly kind: "describe";
      readonly store: number;
      readonly worker: string;
      readonly description: string;
    }
  | {
      readonly kind: "hold";
      readonly store: number;
      readonly worker: string;
      readonly jobs: readonly KeptJob[];
    }
  | {
      readonly kind: "drop";
      readonly store: number;
      readonly worker: string;
      readonly tokens: readonly string[];
    }
  | {
      readonly kind: "detach";
      readonly store: number;
      readonly worker: string;
      readonly call: number;
    };

export type KeeperNotice =
  | { readonly kind: "answer"; readonly call: number; readonly failure: string | null }
  | {
      readonly kind: "lost";
      readonly store: number;
      readonly worker: string;
      readonly reason: string;
    };

/** Writes that begin or renew a lease. */
export function leaseCommands(
  keys: Pick<Keys, "leases" | "workers">,
  worker: string,
  untilMs: number,
  description: string,
): readonly (readonly [string, ...(string | number)[]])[] {
  return [
    ["ZADD", keys.leases, untilMs, worker],
    ["HSET", keys.workers, worker, description],
  ];
}
