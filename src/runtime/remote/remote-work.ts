// The work of workers elsewhere: who they are, which jobs they hold, and what they say of them.
import { randomBytes } from "node:crypto";
import { checkList, checkObject } from "../../core/arguments.ts";
import { claimedJobOf } from "../../core/claimed-job.ts";
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobRecord } from "../../core/job.ts";
import { MAX_PAGE } from "../../core/limits.ts";
import type { ClaimedJob, SettleOutcome, SettleReply, Store } from "../../core/store.ts";
import { underTerms } from "../../core/terms.ts";
import { type ClaimEnded, timeoutMessage } from "../worker/attempt.ts";
import type { LargeValues } from "../blobs/index.ts";
import type { Logger } from "../logging/logger.ts";
import type { Registry } from "../registry.ts";
import { Reporter } from "../worker/reporter.ts";
import { createSweeper } from "../worker/sweeper.ts";
import type { WorkerSettings } from "../worker/settings.ts";
import { HeldJob } from "./held-job.ts";
import type { RemoteClaim, RemoteClaimRequest, RemoteOperations } from "./remote-operations.ts";
import { RemoteWorker } from "./remote-worker.ts";

/** What remote work stands on. */
export interface RemoteWorkParts {
  readonly store: Store;
  readonly logger: Logger;
  readonly settings: WorkerSettings;
  readonly registry: Registry;
  readonly values: LargeValues;
  readonly ended: ClaimEnded;
  readonly onSettled: (claimed: ClaimedJob, outcome: SettleOutcome, runMs: number) => void;
}

/** What one remote worker stands on. */
export interface RemoteGround extends Pick<RemoteWorkParts, "store" | "settings"> {
  /** Gives back the running jobs of a worker that it does not name. */
  giveBackLost(
    worker: string,
    types: readonly AnyJobType[],
    holding: ReadonlySet<JobId>,
  ): Promise<void>;
}

/** The remote work of a process. */
export interface RemoteWork {
  readonly calls: RemoteOperations;
  stop(): Promise<void>;
}

/** Workers that one process hears at once: each costs a lease, a timer and a waiting request. */
const MAX_REMOTE_WORKERS = 10_000;
const WORKER_PREFIX = "remote";
/** Longest part of a worker's name that its token's name gives, so that the whole stays a name. */
const MAX_HOLDER_LENGTH = 60;

/** Makes the remote work of a process. Nothing runs until a worker is heard. */
export function createRemoteWork(parts: RemoteWorkParts): RemoteWork {
  const work = new Work(parts);
  return {
    calls: {
      claim: (request) => work.claim(request),
      report: async (id, report) => {
        const held = await work.find(id, checkObject(report, "report").token);
        held.report(report);
        return { cancel: held.cancel };
      },
      settle: async (id, settlement) => {
        const { outcome, ...report } = checkObject(settlement, "settlement");
        const held = await work.find(id, report.token);
        held.report(report);
        const reply = await held.settle(outcome);
        if (!reply.accepted) throw staleClaim(id);
        return { state: reply.state };
      },
    },
    stop: () => work.stop(),
  };
}

class Work {
  readonly #parts: RemoteWorkParts;
  readonly #workers = new Map<string, RemoteWorker>();
  readonly #reporter: Reporter;
  readonly #sweeper: ReturnType<typeof createSweeper>;
  readonly #ground: RemoteGround;
  #isStopped = false;

  constructor(parts: RemoteWorkParts) {
    this.#parts = parts;
    const { store, logger, settings } = parts;
    this.#reporter = new Reporter({
      store,
      now: Date.now,
      onStale: (id, token) => {
        for (const worker of this.#workers.values()) {
          const held = worker.find(id);
          if (held?.claimed.token === token) held.abandon(staleClaim(id));
        }
      },
    });
    // A service without workers of its own must take back the jobs of remote ones that died.
    this.#sweeper = createSweeper({ store, logger, intervalMs: settings.sweepIntervalMs });
    this.#ground = {
      store,
      settings,
      giveBackLost: (worker, types, holding) => this.#giveBackLost(worker, types, holding),
    };
  }

  async claim(request: RemoteClaimRequest): Promise<RemoteClaim> {
    const types = checkList(checkObject(request, "request").types, "types", "names");
    const found = types.map((name) => this.#remoteType(name));
    const id = request.worker ?? nameWorker(request.holder);
    if (!id.startsWith(prefixOf(request.holder))) {
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `worker is ${JSON.stringify(id)}; expected the name that a claim with this token gave, or none in the first claim`,
      });
    }
    const jobs = await this.#worker(id).claim({ ...request, found });
    return { worker: id, leaseDurationMs: this.#parts.settings.leaseDurationMs, jobs };
  }

  /** The job under this token, taken over from its record where another process gave it out. */
  async find(id: JobId, token: string): Promise<HeldJob> {
    for (const worker of this.#workers.values()) {
      const held = worker.find(id);
      if (held === undefined) continue;
      if (held.claimed.token !== token) throw staleClaim(id);
      await worker.hear();
      return held;
    }
    const [record] = await this.#parts.store.get({ ids: [id] });
    if (record === null || record === undefined) {
      throw new MillraceError("JOB_NOT_FOUND", { message: `no job ${id} is kept` });
    }
    if (record.state !== "running" || record.token !== token) throw staleClaim(id);
    return this.#adopt(record, token);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#sweeper.stop();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
    this.#reporter.stop();
  }

  async #adopt(record: JobRecord, token: string): Promise<HeldJob> {
    const type = this.#parts.registry.get(record.type);
    const name = record.worker ?? "";
    const isRemote = name.startsWith(`${WORKER_PREFIX}:`);
    if (!isRemote) return this.#speakFor(record, token, type);
    const worker = this.#worker(name);
    await worker.hear();
    // Its claim was elsewhere, by the store's clock; this process's own may be minutes off.
    const { nowMs } = await this.#parts.store.describe();
    // Another word about the same job may have come first.
    const other = worker.find(record.id);
    if (other?.claimed.token === token) return other;
    const claimed = claimedOf(record, token);
    const held = this.#hold(claimed, type, name, nowMs - claimed.startedAtMs);
    worker.add(held);
    await held.begin();
    if (record.cancelRequest !== null) held.abort(cancelled(record.cancelRequest.reason));
    return held;
  }

  /**
   * A job that a worker of ours has given to a service: its time and its lease are kept there. Here is only told what
   * the service says of it, one call at a time.
   */
  async #speakFor(record: JobRecord, token: string, type: AnyJobType): Promise<HeldJob> {
    const { terms, ...claimed } = claimedOf(record, token);
    const { timeoutMs, ...own } = underTerms(type, terms);
    const { nowMs } = await this.#parts.store.describe();
    const ranMs = nowMs - claimed.startedAtMs;
    const held = this.#hold(claimed, { ...own, timeoutMs: undefined }, record.worker ?? "", ranMs);
    await held.begin();
    if (record.cancelRequest !== null) held.tell(cancelled(record.cancelRequest.reason));
    else if (timeoutMs !== undefined && ranMs >= timeoutMs) {
      held.tell(new MillraceError("JOB_TIMEOUT", { message: timeoutMessage(timeoutMs) }));
    }
    return held;
  }

  #hold(claimed: ClaimedJob, type: AnyJobType, worker: string, ranMs?: number): HeldJob {
    return new HeldJob(claimed, type, {
      ...(ranMs === undefined ? {} : { ranBeforeMs: Math.max(0, ranMs) }),
      logger: this.#parts.logger,
      reporter: this.#reporter,
      values: this.#parts.values,
      workerId: () => worker,
      ended: this.#parts.ended,
      onEnd: (held, outcome) => this.#keepEnd(held, outcome, worker),
    });
  }

  async #keepEnd(
    held: HeldJob,
    outcome: SettleOutcome | null,
    worker: string,
  ): Promise<SettleReply> {
    const { id, token } = held.claimed;
    const words = this.#reporter.take(id, token);
    this.#workers.get(worker)?.drop(held);
    if (outcome === null) return { accepted: false, why: "stale" };
    const settlement = { id, token, outcome, ...words };
    const { settled } = await this.#parts.store.exchange({ worker, settlements: [settlement] });
    const [reply = { accepted: false, why: "gone" } as const] = settled;
    if (!reply.accepted && reply.why === "unanswered") throw new MillraceError("STORE_BUSY");
    if (reply.accepted) this.#parts.onSettled(held.claimed, outcome, held.ranMs());
    return reply;
  }

  async #giveBackLost(
    worker: string,
    types: readonly AnyJobType[],
    holding: ReadonlySet<JobId>,
  ): Promise<void> {
    const { store } = this.#parts;
    for (const { name: type } of types) {
      let cursor: string | undefined;
      do {
        const page = await store.list({
          filter: { states: ["running"], type },
          limit: MAX_PAGE,
          ...(cursor === undefined ? {} : { cursor }),
        });
        const settlements = page.jobs
          .filter((job) => job.worker === worker && !holding.has(job.id))
          .map(({ id, token }) => ({
            id,
            token: token ?? "",
            outcome: { kind: "release" } as const,
          }));
        if (settlements.length > 0) await store.exchange({ worker, settlements });
        ({ cursor } = page);
      } while (cursor !== undefined);
    }
  }

  #worker(id: string): RemoteWorker {
    if (this.#isStopped) throw new MillraceError("STOPPED", { message: "the service stops" });
    const known = this.#workers.get(id);
    if (known !== undefined) return known;
    if (this.#workers.size >= MAX_REMOTE_WORKERS) {
      throw new MillraceError("TOO_MANY", {
        message: `${MAX_REMOTE_WORKERS} remote workers are heard by this process already`,
      });
    }
    const worker = new RemoteWorker({
      id,
      ground: this.#ground,
      hold: (claimed, type, name) => this.#hold(claimed, type, name),
      onGone: () => {
        if (this.#workers.get(id) === worker) this.#workers.delete(id);
      },
    });
    this.#workers.set(id, worker);
    this.#sweeper.start();
    return worker;
  }

  #remoteType(name: string): AnyJobType {
    const type = this.#parts.registry.get(name);
    if (type.launch?.launcher === REMOTE_LAUNCHER) return type;
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${name} is not for remote workers; declare it with launch: { launcher: "${REMOTE_LAUNCHER}" }`,
    });
  }
}

/** The launcher of job types that remote workers take. */
export const REMOTE_LAUNCHER = "remote";

function nameWorker(holder: string): string {
  return `${prefixOf(holder)}${randomBytes(12).toString("base64url")}`;
}

function prefixOf(holder: string): string {
  const name = holder.replaceAll(/[^\w.-]/g, "-").slice(0, MAX_HOLDER_LENGTH);
  return `${WORKER_PREFIX}:${name}:`;
}

function claimedOf(record: JobRecord, token: string): ClaimedJob {
  const { id, type, queue, input, crashes, enqueuedAtMs, dueAtMs, tags, terms, parent } = record;
  const times = { enqueuedAtMs, dueAtMs, startedAtMs: record.startedAtMs ?? dueAtMs };
  const attempt = record.attempts + 1;
  return claimedJobOf(
    { id, type, queue, input, token, attempt, crashes, ...times, tags },
    { terms, parent },
  );
}

function cancelled(reason: string): MillraceError {
  return new MillraceError("JOB_CANCELLED", { message: reason });
}

function staleClaim(id: JobId): MillraceError {
  return new MillraceError("STALE_CLAIM", {
    message: `job ${id} is not this claim's any more: another claim, a cancellation or a withdrawal came first. Drop it`,
    details: { jobId: id },
  });
}
