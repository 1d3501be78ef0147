// What stores and the keeper thread say to each other.
import type { SharedClock } from "../../clock.ts";
import type { Directory } from "../layout.ts";
import type { RedisLocation } from "../url.ts";

/** What the thread must know of a store. */
export interface KeeperData {
  readonly location: RedisLocation;
  readonly directory: Directory;
  readonly clock: SharedClock | undefined;
}

/** To the thread. `call`: it is answered. */
export type KeeperRequest =
  | { readonly kind: "open"; readonly store: number; readonly data: KeeperData }
  | {
      readonly kind: "attach";
      readonly store: number;
      readonly call: number;
      readonly worker: string;
      readonly leaseMs: number;
      /** JSON, for the directory. */
      readonly description: string;
      /** Two 64-bit numbers: when the loop was last heard of, and until when it must be heard again (0: no matter). */
      /** See heartbeat.ts. */
      readonly heartbeat: SharedArrayBuffer;
    }
  | {
      readonly kind: "describe";
      readonly store: number;
      readonly worker: string;
      readonly description: string;
    }
  | {
      readonly kind: "join";
      readonly store: number;
      readonly worker: string;
      readonly keys: readonly string[];
    }
  | {
      readonly kind: "detach";
      readonly store: number;
      readonly call: number;
      readonly worker: string;
    }
  | { readonly kind: "close"; readonly store: number; readonly call: number };

/** From the thread. */
export type KeeperNotice =
  | { readonly kind: "answer"; readonly call: number; readonly failure: string | null }
  | {
      readonly kind: "lost";
      readonly store: number;
      readonly worker: string;
      readonly reason: string;
    }
  | {
      readonly kind: "cancel";
      readonly store: number;
      readonly worker: string;
      /** The room's first key. */
      readonly room: string;
      readonly requests: readonly { readonly id: Uint8Array; readonly reason: string }[];
    };
