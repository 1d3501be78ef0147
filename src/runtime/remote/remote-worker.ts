// One worker elsewhere, as this process hears of it: its lease in the store, its jobs, its waiting claim.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { ClaimedJob, ExchangeReply, Offer, WorkerAttachment } from "../../core/store.ts";
import { Signal } from "../signal.ts";
import { ageOf, lookAgainInMs, youthLeftMs } from "../worker/youth.ts";
import { packageVersion } from "../../version/index.ts";
import type { HeldJob } from "./held-job.ts";
import type { RemoteClaimRequest, RemoteJob } from "./remote-operations.ts";
import type { RemoteGround } from "./remote-work.ts";

/** What a worker asks for, with its types looked up. */
export interface Wanted extends RemoteClaimRequest {
  readonly found: readonly AnyJobType[];
}

/** What a remote worker needs of the work around it. */
export interface RemoteWorkerParts {
  readonly id: string;
  readonly ground: RemoteGround;
  /** Makes a job of a claim one that is held. */
  readonly hold: (claimed: ClaimedJob, type: AnyJobType, worker: string) => HeldJob;
  /** This process has nothing to do with the worker any more. */
  readonly onGone: () => void;
}

/** A lease is renewed in the store's record a few times while it lasts, so that other processes see that it is heard. */
const NOTES_PER_LEASE = 3;

/** A worker elsewhere. It lives from its first word to this process until it is silent for a lease. */
export class RemoteWorker {
  readonly id: string;
  readonly #parts: RemoteWorkerParts;
  readonly #held = new Map<JobId, HeldJob>();
  readonly #signal = new Signal();
  #attachment: Promise<WorkerAttachment> | undefined;
  #wanted: Pick<Wanted, "found" | "labels" | "max"> = { found: [] };
  #claiming: AbortController | undefined;
  #open = 0;
  readonly #bornAtMs = performance.now();
  #heardAtMs = performance.now();
  #notedAtMs = Number.NEGATIVE_INFINITY;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isGone = false;

  constructor(parts: RemoteWorkerParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.#planLook();
  }

  /** Gives jobs; waits for the first one as long as was asked. */
  async claim(wanted: Wanted): Promise<readonly RemoteJob[]> {
    this.#claiming?.abort();
    const superseded = new AbortController();
    this.#claiming = superseded;
    const signal =
      wanted.signal === undefined
        ? superseded.signal
        : AbortSignal.any([superseded.signal, wanted.signal]);
    const onAbort = (): void => this.#signal.notify();
    signal.addEventListener("abort", onAbort);
    this.#open += 1;
    this.#wanted = wanted;
    try {
      await this.#beHeard();
      await this.#giveBackBut(new Set(wanted.holding));
      return await this.#claimUntil(wanted, performance.now() + (wanted.waitMs ?? 0), signal);
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#open -= 1;
      if (this.#claiming === superseded) this.#claiming = undefined;
      this.#heardAtMs = performance.now();
    }
  }

  /** A word about one of its jobs came: it lives. */
  async hear(): Promise<void> {
    await this.#beHeard();
  }

  find(id: JobId): HeldJob | undefined {
    return this.#held.get(id);
  }

  add(held: HeldJob): void {
    this.#held.set(held.id, held);
  }

  drop(held: HeldJob): void {
    if (this.#held.get(held.id) === held) this.#held.delete(held.id);
  }

  /** Ends its lease: what it holds is given back. */
  async stop(): Promise<void> {
    const attachment = this.#attachment;
    this.#end(new MillraceError("LEASE_LOST", { message: "the service stops" }));
    await attachment?.then((held) => held.close()).catch(() => {});
  }

  async #claimUntil(
    wanted: Wanted,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<readonly RemoteJob[]> {
    for (;;) {
      if (signal.aborted || this.#isGone) return [];
      const age = ageOf(this.#youthLeftMs);
      const reply = await this.#exchange(wanted, age);
      const jobs = await this.#begin(reply, wanted.found, signal);
      const leftMs = untilMs - performance.now();
      if (jobs.length > 0 || leftMs <= 0) return jobs;
      const lookInMs = lookAgainInMs(age, reply, this.#youthLeftMs);
      if (lookInMs !== null) this.#signal.wakeIn(lookInMs, () => {});
      await this.#signal.wait(Math.min(leftMs, this.#parts.ground.settings.pollIntervalMs));
    }
  }

  get #youthLeftMs(): number {
    const { leaseDurationMs } = this.#parts.ground.settings;
    return youthLeftMs(this.#bornAtMs, leaseDurationMs, performance.now());
  }

  async #exchange(wanted: Wanted, age: ReturnType<typeof ageOf>): Promise<ExchangeReply> {
    const capacity = wanted.max ?? 1;
    const offers: Offer[] = [];
    for (const { name: type, queue, concurrency } of wanted.found) {
      const free = Math.min(capacity, concurrency - this.#countHeld(type));
      if (free > 0) offers.push({ queue, type, capacity: free });
    }
    if (offers.length === 0) return { settled: [], claimed: [], lookAgainInMs: null };
    return this.#parts.ground.store.exchange({
      worker: this.id,
      settlements: [],
      claim: {
        capacity,
        offers,
        labels: wanted.labels ?? [],
        tokenNonce: randomBytes(16).toString("base64url"),
        firstToken: 1,
        ...age,
      },
    });
  }

  async #begin(
    { claimed }: ExchangeReply,
    types: readonly AnyJobType[],
    signal: AbortSignal,
  ): Promise<readonly RemoteJob[]> {
    const jobs: RemoteJob[] = [];
    for (const job of claimed) {
      const type = types.find(({ name }) => name === job.type);
      if (type === undefined) continue;
      const held = this.#parts.hold(job, type, this.id);
      this.add(held);
      const begun = await held.begin();
      // Nobody is there to take it any more.
      if (signal.aborted) held.giveBack();
      else if (begun !== null) jobs.push(begun);
    }
    return jobs;
  }

  /** A reply that got lost leaves jobs that nobody works on: they are those that the worker does not name. */
  async #giveBackBut(holding: ReadonlySet<JobId>): Promise<void> {
    const lost = [...this.#held.values()].filter(({ id }) => !holding.has(id));
    await Promise.all(lost.map((held) => held.settle({ kind: "release" }).catch(() => {})));
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs < this.#parts.ground.settings.leaseDurationMs) return;
    this.#lookedAtMs = nowMs;
    // Those that it was given through other processes, or through one that was here before.
    await this.#parts.ground.giveBackLost(this.id, this.#wanted.found, holding);
  }

  async #beHeard(): Promise<void> {
    if (this.#isGone) throw new MillraceError("STOPPED", { message: "the service stops" });
    this.#heardAtMs = performance.now();
    this.#attachment ??= this.#attach();
    const attachment = await this.#attachment;
    const { leaseDurationMs } = this.#parts.ground.settings;
    if (this.#heardAtMs - this.#notedAtMs < leaseDurationMs / NOTES_PER_LEASE) return;
    this.#notedAtMs = this.#heardAtMs;
    await attachment.update({ worker: this.#describe() });
  }

  async #attach(): Promise<WorkerAttachment> {
    const { store, settings } = this.#parts.ground;
    this.#notedAtMs = performance.now();
    try {
      return await store.attachWorker({
        worker: this.#describe(),
        leaseDurationMs: settings.leaseDurationMs,
        listener: {
          wake: () => this.#signal.notify(),
          cancel: (requests) => {
            for (const { id, reason } of requests) {
              const error = new MillraceError("JOB_CANCELLED", { message: reason });
              this.#held.get(id)?.abort(error);
            }
          },
          lost: (reason) => {
            this.#end(new MillraceError("LEASE_LOST", { message: reason }));
          },
        },
      });
    } catch (error) {
      this.#attachment = undefined;
      throw error;
    }
  }

  #describe(): Parameters<WorkerAttachment["update"]>[0]["worker"] {
    const { found, labels = [], max = 1 } = this.#wanted;
    return {
      id: this.id,
      host: hostname(),
      pid: process.pid,
      version: packageVersion(),
      concurrency: max,
      labels,
      queues: [...new Set(found.map(({ queue }) => queue))],
      types: found.map(({ name }) => name),
      heardAtMs: Date.now(),
    };
  }

  #planLook(): void {
    const { leaseDurationMs } = this.#parts.ground.settings;
    const inMs = Math.max(0, this.#heardAtMs + leaseDurationMs - performance.now());
    this.#timer = setTimeout(() => void this.#look(), inMs);
    this.#timer.unref();
  }

  /** Silent for a lease: let it go, unless another process hears it. */
  async #look(): Promise<void> {
    const { store, settings } = this.#parts.ground;
    const isHeard = (): boolean =>
      this.#open > 0 || performance.now() - this.#heardAtMs < settings.leaseDurationMs;
    const record = isHeard()
      ? undefined
      : (await store.workers().catch(() => [])).find(({ id }) => id === this.id);
    if (this.#isGone) return;
    const heardElsewhereMs = Date.now() - (record?.heardAtMs ?? Number.NEGATIVE_INFINITY);
    if (isHeard() || heardElsewhereMs < settings.leaseDurationMs) {
      if (this.#open > 0 || !isHeard()) this.#heardAtMs = performance.now();
      this.#planLook();
      return;
    }
    await this.#letGo(record?.running ?? 0);
  }

  async #letGo(running: number): Promise<void> {
    const attachment = await this.#attachment?.catch(() => undefined);
    this.#end(new MillraceError("LEASE_LOST", { message: "the worker was silent for its lease" }));
    if (running === 0) await attachment?.close().catch(() => {});
    // Not closed: a job that kills its workers is found by their leases that end under it.
    else attachment?.heartbeat({ deadlineInMs: 0 });
  }

  #end(reason: MillraceError): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#timer);
    this.#claiming?.abort();
    this.#signal.notify();
    this.#signal.stop();
    for (const held of this.#held.values()) held.abandon(reason);
    this.#held.clear();
    this.#parts.onGone();
  }

  #countHeld(type: string): number {
    let count = 0;
    for (const { claimed } of this.#held.values()) if (claimed.type === type) count += 1;
    return count;
  }
}
