// Keeps this worker attached to the store: joins, beats, and joins anew under another id when the lease was lost.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { JobId } from "../../core/ids.ts";
import type { RunNews } from "../../core/run.ts";
import type { Store, WorkerAttachment, WorkerDescription } from "../../core/store.ts";
import { createBackoff } from "../backoff.ts";
import { logStoreError } from "../logging/logged-store.ts";
import { Repeats } from "../logging/repeats.ts";
import type { Logger } from "../logging/logger.ts";
import { packageVersion } from "../../version/index.ts";

/** Time between two beats: a fraction of any sensible lease or timeout. */
const BEAT_INTERVAL_MS = 500;

export interface LeaseKeeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly leaseDurationMs: number;
  readonly describe: () => Pick<WorkerDescription, "concurrency" | "labels" | "queues" | "types">;
  /** Time until the first deadline of what runs; `null` for none. */
  readonly nextDeadlineMs: () => number | null;
  readonly onWake: () => void;
  readonly onCancel: (requests: readonly { readonly id: JobId; readonly reason: string }[]) => void;
  readonly onNews: (news: readonly RunNews[]) => void;
  readonly onLost: (reason: string) => void;
}

/** One worker's place in the store. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  // A restarted worker is another one, and so is one that lost its lease: old claims must not look like its own.
  readonly #base = `${hostname()}:${process.pid}:${randomBytes(4).toString("hex")}`;
  #generation = 1;
  readonly #repeats = new Repeats();
  #attachment: WorkerAttachment | undefined;
  #beat: NodeJS.Timeout | undefined;
  #isStopped = false;
  #attaching: Promise<void> | undefined;
  #refreshing: NodeJS.Immediate | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  get workerId(): string {
    return this.#generation === 1 ? this.#base : `${this.#base}.${this.#generation}`;
  }

  get isHeld(): boolean {
    return this.#attachment !== undefined;
  }

  async start(): Promise<void> {
    if (this.#attachment !== undefined) return;
    await this.#attach();
    this.#beat ??= setInterval(() => {
      this.heartbeat();
    }, BEAT_INTERVAL_MS);
  }

  /** Tells the store's keeper that this loop is alive, and when what runs must have ended. */
  heartbeat(): void {
    this.#attachment?.heartbeat({ deadlineInMs: this.#options.nextDeadlineMs() });
  }

  /** The types served have changed. Several that change in one turn are told once. */
  refresh(): void {
    this.#refreshing ??= setImmediate(() => {
      this.#refreshing = undefined;
      this.#attachment?.update({ worker: this.#describe() }).catch((error: unknown) => {
        this.#tell(error, "updateWorker");
      });
    });
  }

  /** Lets the lease go. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#beat);
    clearImmediate(this.#refreshing);
    await this.#attaching;
    const held = this.#attachment;
    this.#attachment = undefined;
    await held?.close().catch((error: unknown) => {
      this.#tell(error, "closeWorker");
    });
    this.#repeats.flush();
  }

  #describe(): WorkerDescription {
    return {
      id: this.workerId,
      host: hostname(),
      pid: process.pid,
      version: packageVersion(),
      ...this.#options.describe(),
    };
  }

  async #attach(): Promise<void> {
    const { store, leaseDurationMs, onWake, onCancel, onNews } = this.#options;
    const mine = this.#generation;
    this.#attachment = await store.attachWorker({
      worker: this.#describe(),
      leaseDurationMs,
      takesHanded: true,
      listener: {
        wake: onWake,
        cancel: onCancel,
        news: onNews,
        lost: (reason) => {
          if (mine === this.#generation) this.#lose(reason);
        },
      },
    });
    this.heartbeat();
    onWake();
  }

  #lose(reason: string): void {
    this.#attachment = undefined;
    this.#options.logger.error({ worker: this.workerId, reason }, "lease lost");
    this.#options.onLost(reason);
    this.#generation += 1;
    if (!this.#isStopped) this.#attaching = this.#attachAgain();
  }

  async #attachAgain(): Promise<void> {
    const backoff = createBackoff();
    while (!this.#isStopped && this.#attachment === undefined) {
      try {
        await this.#attach();
      } catch {
        await backoff.wait();
      }
    }
  }

  #tell(error: unknown, op: string): void {
    logStoreError(this.#options.logger, op, error, this.#repeats);
  }
}
