// The workers that this process attached: their leases are kept here, off the loop that runs their handlers.
import type { ClaimRequest } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import { dropNews, newsFor } from "../runs/facts.ts";
import { hasWork, openLanes } from "../exchange.ts";
import { monotonicMs, watchHeartbeat } from "../../heartbeat.ts";
import { attach, cancelRequests, letGo, renew } from "../leases.ts";
import type { Lane } from "../lanes.ts";
import type { Attach, Notice } from "./messages.ts";

/** Leases are renewed when a third of them has passed: two attempts may fail before one is lost. */
const RENEWALS_PER_LEASE = 3;

interface Attachment {
  readonly key: number;
  readonly workerNo: number;
  readonly worker: string;
  readonly leaseDurationMs: number;
  readonly isSilent: (nowMs: number) => boolean;
  /** By the system's clock, as all that decides when to renew: a test that moves the store's clock ends leases. */
  renewedAtMs: number;
  /** Its loop was silent past its deadline. */
  isLate: boolean;
  /** What it would take, when the last exchange gave less than it asked for. */
  hunger: { readonly request: ClaimRequest; readonly nextDueAtMs: number } | null;
  /** Cancellations that it was told of. */
  told: ReadonlySet<string>;
  /** News from other processes that it was told, and that can be forgotten. */
  heard: { readonly run: string; readonly key: string }[];
}

/** Looks at a loop, a few milliseconds apart, that must find it late. */
const LATE_LOOKS = 10;

/** The attachments of one store object. Methods that write are called inside a transaction. */
export class Attachments {
  readonly #byKey = new Map<number, Attachment>();
  readonly #tell: (notice: Notice) => void;

  constructor(tell: (notice: Notice) => void) {
    this.#tell = tell;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Writes the lease; gives back what is to be done after the commit. */
  join(context: Context, { key, worker, leaseDurationMs, heartbeat }: Attach): () => void {
    const workerNo = attach(context, worker, leaseDurationMs);
    const renewedAtMs = Date.now();
    return () => {
      this.#byKey.set(key, {
        key,
        workerNo,
        worker: worker.id,
        leaseDurationMs,
        isSilent: watchHeartbeat(heartbeat, LATE_LOOKS),
        renewedAtMs,
        isLate: false,
        hunger: null,
        told: new Set(),
        heard: [],
      });
    };
  }

  find(key: number): { readonly workerNo: number } | undefined {
    return this.#byKey.get(key);
  }

  /** Whether a worker is attached here. */
  has(workerNo: number): boolean {
    for (const attachment of this.#byKey.values())
      if (attachment.workerNo === workerNo) return true;
    return false;
  }

  remove(key: number): void {
    this.#byKey.delete(key);
  }

  keys(): readonly number[] {
    return [...this.#byKey.keys()];
  }

  /** Looks whether the loops still beat; called at regular times. */
  watch(): void {
    const nowMs = monotonicMs();
    for (const attachment of this.#byKey.values()) {
      if (attachment.isSilent(nowMs)) attachment.isLate = true;
    }
  }

  /** Whether any lease must be renewed, or let go. */
  isDue(): boolean {
    for (const attachment of this.#byKey.values()) {
      if (attachment.isLate || attachment.heard.length > 0 || isRenewalDue(attachment)) return true;
    }
    return false;
  }

  /**
   * Renews what is due, and lets go where the loop is silent past its deadline. Gives back what is to be done after the
   * commit.
   */
  keep(context: Context): () => void {
    const after: (() => void)[] = [];
    for (const attachment of this.#byKey.values()) {
      if (attachment.heard.length > 0) after.push(forgetNews(context, attachment));
      if (attachment.isLate) {
        letGo(context, attachment.workerNo);
        after.push(() =>
          this.#lose(attachment, "its event loop was silent past the deadline of what it ran"),
        );
      } else if (isRenewalDue(attachment)) {
        const renewedAtMs = Date.now();
        const isKept = renew(context, attachment.workerNo, attachment.leaseDurationMs);
        after.push(() => {
          if (isKept) attachment.renewedAtMs = renewedAtMs;
          else this.#lose(attachment, "its lease ended before it could be renewed");
        });
      }
    }
    return () => {
      for (const act of after) act();
    };
  }

  /** Notes how an exchange went. */
  note(
    worker: string,
    request: ClaimRequest,
    result: { readonly isHungry: boolean; readonly nextDueAtMs: number | null },
  ): void {
    for (const attachment of this.#byKey.values()) {
      if (attachment.worker !== worker) continue;
      attachment.hunger = result.isHungry
        ? { request, nextDueAtMs: result.nextDueAtMs ?? Number.POSITIVE_INFINITY }
        : null;
    }
  }

  /** After a commit of this process: who came up short is told that there is more. */
  wakeFor(context: Context): void {
    const { readied, hasCancels, hasResumed, hasMadeRoom, news } = context.effects;
    if (news.length > 0) this.#tellNews(news);
    for (const attachment of this.#byKey.values()) {
      if (hasCancels) this.#tellCancels(context, attachment);
      const { hunger } = attachment;
      if (hunger === null) continue;
      if (hasResumed || (readied.size > 0 && isAnyOpen(context, hunger.request, readied))) {
        this.#wake(attachment);
      } else if (hasMadeRoom && hasWork(context, hunger.request, hunger.nextDueAtMs)) {
        this.#wake(attachment);
      }
    }
  }

  /** After a commit of another process. */
  look(context: Context): void {
    for (const attachment of this.#byKey.values()) {
      this.#tellCancels(context, attachment);
      this.#lookForNews(context, attachment);
      const { hunger } = attachment;
      if (hunger === null) continue;
      if (hasWork(context, hunger.request, hunger.nextDueAtMs)) this.#wake(attachment);
    }
  }

  #wake(attachment: Attachment): void {
    attachment.hunger = null;
    this.#tell({ kind: "wake", key: attachment.key });
  }

  #lose(attachment: Attachment, reason: string): void {
    this.#byKey.delete(attachment.key);
    this.#tell({ kind: "lost", key: attachment.key, reason });
  }

  #tellNews(told: Context["effects"]["news"]): void {
    const byOwner = Map.groupBy(told, ({ owner }) => owner);
    for (const { key, workerNo } of this.#byKey.values()) {
      const news = byOwner.get(workerNo)?.map((each) => each.news);
      if (news !== undefined) this.#tell({ kind: "news", key, news });
    }
  }

  /** What other processes told the runs of a worker. */
  #lookForNews(context: Context, attachment: Attachment): void {
    const news = newsFor(context, attachment.workerNo);
    const known = new Set(attachment.heard.map(({ run, key }) => run + key));
    const fresh = news.filter(({ run, fact }) => !known.has(run + fact.key));
    if (fresh.length === 0) return;
    for (const { run, fact } of fresh) attachment.heard.push({ run, key: fact.key });
    this.#tell({ kind: "news", key: attachment.key, news: fresh });
  }

  #tellCancels(context: Context, attachment: Attachment): void {
    const requests = cancelRequests(context, attachment.workerNo);
    const fresh = requests.filter(({ id }) => !attachment.told.has(id));
    attachment.told = new Set(requests.map(({ id }) => id));
    if (fresh.length > 0) this.#tell({ kind: "cancel", key: attachment.key, requests: fresh });
  }
}

function forgetNews(context: Context, attachment: Attachment): () => void {
  const told = attachment.heard;
  dropNews(context, attachment.workerNo, told);
  return () => {
    attachment.heard = attachment.heard.slice(told.length);
  };
}

function isAnyOpen(context: Context, request: ClaimRequest, readied: ReadonlySet<Lane>): boolean {
  return openLanes(context, request).some(({ lane }) => readied.has(lane));
}

/** The wall clock, not the monotonic one: a machine that slept must renew before it does anything else. */
function isRenewalDue({ renewedAtMs, leaseDurationMs }: Attachment): boolean {
  return Math.abs(Date.now() - renewedAtMs) >= leaseDurationMs / RENEWALS_PER_LEASE;
}
