// Upkeep: dead workers' jobs, overdue cancellations, expiry, retention. Each step is bounded.
import type { JobChange } from "../../core/events.ts";
import type { SweepReply, TypeRecord } from "../../core/store.ts";
import {
  type Transition,
  cancelError,
  crashError,
  expire,
  expiryError,
  isOverdue,
  lose,
  remove,
  withdraw,
} from "../../core/transitions.ts";
import { type Context, policyOf, queueNames, typesNamed, watchJobs } from "./context.ts";
import { readEntry } from "./keys.ts";
import type { Sent } from "./link.ts";
import { type Move, writeMoves } from "./moves.ts";
import { listTypes } from "./queues.ts";
import { type Found, type Place, READS_PER_JOB, readFound, readsOf, workerOf } from "./records.ts";
import { removalOf } from "./settling.ts";

/** Most jobs changed in one act. */
const ACT_SIZE = 200;

type Counted = "takenBack" | "crashed" | "cancelled" | "expired" | "removed";

/** What a job is to go through, and how that is counted. */
type Decide = (
  found: Found,
  policy: ReturnType<typeof policyOf>,
  nowMs: number,
) => {
  readonly transition: Transition;
  readonly changes: readonly JobChange[];
  readonly counts: readonly Counted[];
  readonly isSuspect?: boolean;
} | null;

interface Sweep {
  readonly context: Context;
  readonly sums: Record<Counted, number>;
  left: number;
}

/** One step of upkeep. */
export async function sweepAll(context: Context, limit: number): Promise<SweepReply> {
  const sums = { takenBack: 0, crashed: 0, cancelled: 0, expired: 0, removed: 0 };
  const sweep: Sweep = { context, sums, left: limit };
  const deadWorkers = await findDead(context);
  await lookAtActive(sweep);
  await expireJobs(sweep);
  await removeByAge(sweep);
  await removeByCount(sweep);
  await recoverOthers(context);
  return { deadWorkers, ...sums, more: sweep.left <= 0 };
}

/** Ends leases that were not renewed. Of all who sweep at once, one tells of each. */
async function findDead({ link }: Context): Promise<readonly string[]> {
  const { keys } = link;
  const nowMs = Date.now();
  const [late] = await link.read([["ZRANGEBYSCORE", keys.leases, "-inf", nowMs]]);
  const dead: string[] = [];
  for (const worker of late as readonly string[]) {
    const isMine = await link.guard("sweep", async (turn) => {
      const [score] = await turn.watch([keys.leases], [["ZSCORE", keys.leases, worker]]);
      if (score === null || Number(score) > nowMs) return false;
      return turn.commit((writes) => {
        writes.add("ZREM", keys.leases, worker);
        writes.add("HDEL", keys.workers, worker);
      }, true);
    });
    if (isMine) dead.push(worker);
  }
  return dead;
}

/** Jobs that run: those of workers without a lease are taken back, those that should have ended are ended. */
async function lookAtActive(sweep: Sweep): Promise<void> {
  const { context } = sweep;
  const { link } = context;
  const active = await readActive(context);
  const byWorker = Map.groupBy(active, ({ record }) => record.worker ?? "");
  const workers = [...byWorker.keys()];
  if (workers.length === 0) return;
  const [leases, deaths] = (await link.read([
    ["ZMSCORE", link.keys.leases, ...workers],
    ["HMGET", link.keys.deaths, ...workers],
  ])) as [(string | null)[], (string | null)[]];
  for (const [index, worker] of workers.entries()) {
    const jobs = byWorker.get(worker) ?? [];
    if (leases[index] !== null) {
      await act(sweep, jobs.filter(isPastGrace), cancelOverdue);
      continue;
    }
    // How many it ran must be known when some of them were taken back already.
    const company = Number(deaths[index] ?? jobs.length);
    if (deaths[index] === null && jobs.length > 1) {
      await link.read([["HSET", link.keys.deaths, worker, jobs.length]]);
    }
    if (jobs.length > sweep.left) await act(sweep, jobs.slice(0, sweep.left), takeBack(company));
    else {
      await act(sweep, jobs, takeBack(company));
      await link.read([["HDEL", link.keys.deaths, worker]]);
    }
  }
}

function isPastGrace({ record }: Found): boolean {
  return record.cancelRequest !== null;
}

/** Jobs that Millrace's workers run, by the times at which they were enqueued. */
async function readActive(context: Context): Promise<readonly Found[]> {
  const { link } = context;
  const { keys } = link;
  const names = await queueNames(context);
  const lists = await link.read(
    names.map((queue): Sent => ["LRANGE", keys.bull(queue, "active"), 0, -1]),
  );
  const places = names.flatMap((queue, index) =>
    (lists[index] as readonly string[]).map((bullId) => ({ queue, bullId })),
  );
  const replies = await link.read(
    places.flatMap(({ queue, bullId }) => readsOf(keys, queue, bullId)),
  );
  const runners = await link.read(
    places.map(({ queue, bullId }): Sent => ["HGET", keys.bull(queue, bullId), "pb"]),
  );
  return places
    .flatMap(({ queue, bullId }, index) => {
      const from = index * READS_PER_JOB;
      const found = readFound(queue, bullId, replies.slice(from, from + READS_PER_JOB));
      const isOurs = workerOf((runners[index] as string | null) ?? undefined) !== null;
      return found === null || found.list !== "active" || !isOurs ? [] : [found];
    })
    .sort((left, right) => (left.id < right.id ? -1 : 1));
}

const cancelOverdue: Decide = ({ record }, policy, nowMs) => {
  if (!isOverdue(record, policy, nowMs) || record.cancelRequest === null) return null;
  const transition = withdraw(record, policy, nowMs);
  const error = cancelError(record.cancelRequest.reason);
  return {
    transition,
    changes: [{ kind: "cancelled", error }, ...removalOf(transition)],
    counts: ["cancelled"],
  };
};

function takeBack(company: number): Decide {
  return ({ record, list }, policy, nowMs) => {
    if (list !== "active") return null;
    const isCharged = company === 1;
    const transition = lose(record, policy, { isCharged }, nowMs);
    if (transition.kind === "rejected") return null;
    if (record.cancelRequest !== null) {
      const error = cancelError(record.cancelRequest.reason);
      const changes: readonly JobChange[] = [{ kind: "cancelled", error }];
      const counts: readonly Counted[] = ["takenBack", "cancelled"];
      return { transition, changes: [...changes, ...removalOf(transition)], counts };
    }
    const isBack = transition.kind === "changed" && transition.job.state === "ready";
    if (isBack) {
      const changes: readonly JobChange[] = [{ kind: "readied", why: "lost" }];
      return { transition, changes, counts: ["takenBack"], isSuspect: true };
    }
    const error = crashError({ ...record, crashes: record.crashes + Number(isCharged) }, policy);
    const changes: readonly JobChange[] = [{ kind: "failed", error }];
    const counts: readonly Counted[] = ["takenBack", "crashed"];
    return { transition, changes: [...changes, ...removalOf(transition)], counts };
  };
}

async function expireJobs(sweep: Sweep): Promise<void> {
  const { link } = sweep.context;
  const { keys } = link;
  if (sweep.left <= 0) return;
  const range = ["-inf", Date.now(), "LIMIT", 0, sweep.left] as const;
  const [entries] = await link.read([["ZRANGEBYSCORE", keys.expiries, ...range]]);
  const due = entries as readonly string[];
  if (due.length === 0) return;
  const decided = await act(sweep, due.map(placeOf), ({ record }, policy, nowMs) => {
    const transition = expire(record, policy, nowMs);
    if (transition.kind === "rejected") return null;
    const error = expiryError(record);
    const changes: readonly JobChange[] = [{ kind: "failed", error }];
    return { transition, changes: [...changes, ...removalOf(transition)], counts: ["expired"] };
  });
  // One that runs is told of again by whatever makes it wait again.
  const over = due.filter((_, index) => decided[index] !== true);
  if (over.length > 0) await link.read([["ZREM", keys.expiries, ...over]]);
}

async function removeByAge(sweep: Sweep): Promise<void> {
  const { link } = sweep.context;
  const { keys } = link;
  if (sweep.left <= 0) return;
  const range = ["-inf", Date.now(), "LIMIT", 0, sweep.left] as const;
  const [entries] = await link.read([["ZRANGEBYSCORE", keys.removals, ...range]]);
  const due = entries as readonly string[];
  if (due.length === 0) return;
  const removed = await act(sweep, due.map(placeOf), (found, _policy, nowMs) =>
    (found.record.removeAtMs ?? Number.POSITIVE_INFINITY) > nowMs ? null : removing(found),
  );
  const gone = due.filter((_, index) => removed[index] !== true);
  if (gone.length > 0) await link.read([["ZREM", keys.removals, ...gone]]);
}

function removing({ record }: Found): ReturnType<Decide> {
  const isEnded = record.finishedAtMs !== null;
  if (!isEnded) return null;
  return { transition: remove(record), changes: [{ kind: "removed" }], counts: ["removed"] };
}

async function removeByCount(sweep: Sweep): Promise<void> {
  const { context } = sweep;
  const { link } = context;
  const { keys } = link;
  const types = await listTypes(context);
  const kept = types.flatMap(({ name, retention }) =>
    (["succeeded", "failed", "cancelled"] as const).map((state) => ({
      key: keys.ended(state, name),
      count: retention[state].count,
    })),
  );
  const counts = await link.read(kept.map(({ key }): Sent => ["ZCARD", key]));
  for (const [index, { key, count }] of kept.entries()) {
    const over = Math.min(Number(counts[index]) - count, sweep.left);
    if (over <= 0) continue;
    const [entries] = await link.read([["ZRANGE", key, 0, over - 1]]);
    const oldest = entries as readonly string[];
    const removed = await act(sweep, oldest.map(placeOf), (found) => removing(found));
    const gone = oldest.filter((_, at) => removed[at] !== true);
    if (gone.length > 0) await link.read([["ZREM", key, ...gone]]);
  }
}

function placeOf(entry: string): Place {
  const place = readEntry(entry);
  return { ...place, id: place.bullId };
}

/** Carries out what is decided of each job. Replies which were changed. */
async function act(
  sweep: Sweep,
  places: readonly Place[],
  decide: Decide,
): Promise<readonly boolean[]> {
  const { context, sums } = sweep;
  const { link } = context;
  const changed: boolean[] = [];
  for (let from = 0; from < places.length; from += ACT_SIZE) {
    const part = places.slice(from, from + ACT_SIZE);
    const counted = await link.guard("sweep", async (turn) => {
      const found = await watchJobs(context, turn, part);
      const names = found.flatMap((job) => job?.record.type ?? []);
      const types = await typesNamed(turn.read.bind(turn), link.keys.types, names);
      const nowMs = Date.now();
      const moves: Move[] = [];
      const counts = found.map((job) => decideOne(job, decide, types, nowMs, moves));
      if (moves.length === 0) return counts;
      return turn.commit((writes) => writeMoves(link, turn, writes, moves, nowMs), counts);
    });
    for (const counts of counted) {
      changed.push(counts !== null);
      if (counts === null) continue;
      sweep.left -= 1;
      for (const name of counts) sums[name] += 1;
    }
  }
  return changed;
}

function decideOne(
  found: Found | null,
  decide: Decide,
  types: ReadonlyMap<string, TypeRecord>,
  nowMs: number,
  moves: Move[],
): readonly Counted[] | null {
  if (found === null) return null;
  const policy = policyOf(types, found.record.type, found.retention);
  const decision = decide(found, policy, nowMs);
  if (decision === null || decision.transition.kind === "rejected") return null;
  const { transition, changes, isSuspect = false } = decision;
  moves.push({
    found,
    after: transition.kind === "removed" ? null : transition.job,
    changes,
    isSuspect,
  });
  return decision.counts;
}

/** What BullMQ's own workers lost: BullMQ looks for it, at most once in its interval, whoever asks. */
async function recoverOthers(context: Context): Promise<void> {
  const names = await queueNames(context);
  await context.link.run("sweep", async (peer) => {
    for (const queue of names) {
      await peer.backend(queue).moveStalledJobsToWait();
    }
  });
}
