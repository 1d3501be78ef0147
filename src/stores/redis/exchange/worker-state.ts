// What an exchange and a worker of this process know of each other.
import type { OpenRoom } from "../rooms.ts";

/** What an exchange must know of a worker of this process. */
export interface WorkerState {
  readonly leaseMs: number;
  /** A lease may have been made in this room: it must be kept. */
  joined(room: OpenRoom): void;
  /** It claimed; one that is full passes on what it is woken for. */
  noteClaim(isFull: boolean): void;
  /** It speaks for a workflow run in this room: it must hear what that is told. */
  owns(room: OpenRoom): void;
  /** There may be something to claim. */
  wake(): void;
  /** Whether jobs may be handed to it. */
  readonly takesHanded: boolean;
  /** Whether the primary of a Cluster that has the room sees it. */
  isSeenAt(room: OpenRoom): boolean;
  /** Whether its last claim left no slot free. */
  readonly isFull: boolean;
}
