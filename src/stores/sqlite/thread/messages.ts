// What the caller's side and the store thread say to each other.
import type { ErrorCode } from "../../../core/errors.ts";
import type { JobEvent } from "../../../core/events.ts";
import type { RunNews } from "../../../core/run.ts";
import type { Store, Subscribe, WorkerDescription } from "../../../core/store.ts";
import type { Durability } from "../../../core/store-description.ts";
import type { SharedClock } from "../../clock.ts";
import type { PackedEnqueue, PackedExchange, PackedRequest } from "./wire.ts";

/** What a store thread is started with. */
export interface EngineOptions {
  readonly path: string;
  readonly namespace: string;
  readonly durability: Durability;
  readonly clock?: SharedClock;
}

/** Methods of the store that pass as they are. */
type PlainMethod = Exclude<
  keyof Store,
  "capabilities" | "durability" | "attachWorker" | "subscribe" | "close"
>;

interface PackedRequests {
  readonly exchange: PackedRequest;
}

interface PackedReplies {
  readonly enqueue: PackedEnqueue;
  readonly exchange: PackedExchange;
}

type RequestOf<Method extends PlainMethod> =
  Parameters<Store[Method]> extends [infer Request] ? Request : null;

/** Every method with its request and its reply. */
export type Methods = {
  readonly [Method in PlainMethod]: {
    readonly request: Method extends keyof PackedRequests
      ? PackedRequests[Method]
      : RequestOf<Method>;
    readonly reply: Method extends keyof PackedReplies
      ? PackedReplies[Method]
      : Awaited<ReturnType<Store[Method]>>;
  };
} & {
  readonly attach: { readonly request: Attach; readonly reply: null };
  readonly update: {
    readonly request: { readonly key: number; readonly worker: WorkerDescription };
    readonly reply: null;
  };
  readonly detach: { readonly request: { readonly key: number }; readonly reply: null };
  readonly follow: { readonly request: Follow; readonly reply: null };
  readonly unfollow: { readonly request: { readonly key: number }; readonly reply: null };
  readonly close: { readonly request: null; readonly reply: null };
};

export type Method = keyof Methods;

export interface Attach {
  /** Names the attachment in notices. */
  readonly key: number;
  readonly worker: WorkerDescription;
  readonly leaseDurationMs: number;
  /** See heartbeat.ts. */
  readonly heartbeat: SharedArrayBuffer;
}

interface Follow {
  readonly key: number;
  readonly filter: Subscribe["filter"];
}

/** One call. Numbers ascend; a reply names its call's. */
export interface Call<Name extends Method = Method> {
  readonly no: number;
  readonly method: Name;
  readonly request: Methods[Name]["request"];
}

/** An error as it crosses threads. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export type Reply =
  | { readonly no: number; readonly value: unknown }
  | { readonly no: number; readonly error: PlainError };

/** What the store tells unasked. */
export type Notice =
  | { readonly kind: "wake"; readonly key: number }
  | {
      readonly kind: "cancel";
      readonly key: number;
      readonly requests: readonly { readonly id: string; readonly reason: string }[];
    }
  | { readonly kind: "news"; readonly key: number; readonly news: readonly RunNews[] }
  | { readonly kind: "lost"; readonly key: number; readonly reason: string }
  | { readonly kind: "event"; readonly key: number; readonly event: JobEvent }
  | { readonly kind: "gap"; readonly key: number; readonly reason: string };

export interface FromEngine {
  /** Messages that were taken: as many more may be sent. */
  readonly received: number;
  readonly replies: readonly Reply[];
  readonly notices: readonly Notice[];
}

/** Says at the start whether the file could be opened. */
export type Opened =
  | { readonly opened: true }
  | { readonly opened: false; readonly error: PlainError };
