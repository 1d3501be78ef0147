// One bounded step of upkeep over all rooms of a namespace.
import type { JobChange } from "../../core/events.ts";
import type { JobId } from "../../core/ids.ts";
import type { SweepReply, SweepRequest, TypeRecord } from "../../core/store.ts";
import { type Transition, cancelError, expire, lose, withdraw } from "../../core/transitions.ts";
import { type Context, policyOf } from "./context.ts";
import { forgetFigures } from "./figures.ts";
import { type Move, applyMoves } from "./moves.ts";
import { deliverOutboxes } from "./outbox.ts";
import { type KeptBound, OUTCOMES, boundOfType, shareBounds } from "./partition-retention.ts";
import type { KeepJobs } from "./runs/children.ts";
import { readJobs } from "./reading.ts";
import { deliverMoved } from "./orders/requeue.ts";
import { finishLeftBehind } from "./runs/run-outbox.ts";
import { SYMBOLIC_NOW_MS, type StoredJob } from "./records.ts";
import type { OpenRoom } from "./rooms.ts";
import { OVERTAKEN, finishOvertaken } from "./flow/overtaken.ts";
import { KEEP_FIRST } from "./scripts/settings.ts";
import { DROP_DONE_TIMERS, END_LEASE, SWEEP_ROOM } from "./scripts/upkeep.ts";
import { CLEAN_DIRECTORY } from "./scripts/workers.ts";
import { suspicionAfterDeath } from "./exchange/suspects.ts";
import { Arguments, readId } from "./link/wire.ts";
import { REMEMBER_GONE_MS, runningIn } from "./workers/workers.ts";

/** How long the number of jobs that a dead worker ran is remembered, for sweeps that take them back in steps. */
const REMEMBER_COUNT_S = 3_600;

interface Sums {
  takenBack: number;
  crashed: number;
  cancelled: number;
  expired: number;
  removed: number;
  more: boolean;
  left: number;
}

/** Sweeps. */
export async function sweepAll(
  context: Context,
  request: SweepRequest,
  keepJobs: KeepJobs,
): Promise<SweepReply> {
  const types = await context.types.read();
  const sums: Sums = {
    takenBack: 0,
    crashed: 0,
    cancelled: 0,
    expired: 0,
    removed: 0,
    more: false,
    left: request.limit,
  };
  await deliverOutboxes(context);
  const rooms = await context.rooms.all();
  const dead = new Set<string>();
  const dueIn = new Map<OpenRoom, DueJobs>();
  let keeps = boundOfType;
  for (const room of rooms) {
    if (sums.left <= 0) {
      sums.more = true;
      break;
    }
    if (room.partition === 0) {
      const own = context.rooms.known(room.queue) ?? [room];
      keeps = await shareBounds(context, own, types, sums.left);
    }
    const { workers, due, leftBehind } = await sweepRoom(context, room, { types, keeps }, sums);
    if (leftBehind > 0) await finishLeftBehind(context, room, keepJobs);
    for (const worker of workers) dead.add(worker);
    dueIn.set(room, due);
  }
  const gone = await context.link.call(
    CLEAN_DIRECTORY,
    context.directory.workerKeys,
    listOf([String(REMEMBER_GONE_MS), ...dead]),
  );
  const names = gone.map(String);
  for (const worker of new Set([...dead, ...names])) {
    await takeBack(context, rooms, worker, types, sums);
  }
  // After it: what ends here was company of whatever killed its worker, and is counted as such.
  for (const [room, due] of dueIn) await endDue(context, room, due, types, sums);
  sums.left -= await forgetFigures(context, Math.max(0, sums.left));
  if (sums.left <= 0) sums.more = true;
  const { left: _, ...counts } = sums;
  return { ...counts, deadWorkers: names };
}

function listOf(texts: readonly string[]): Arguments {
  const args = new Arguments();
  for (const text of texts) args.text(text);
  return args;
}

/** Jobs that may have to end, each with the kind of its timer. */
type DueJobs = ReadonlyMap<JobId, string>;

/** Sweeps one room; gives workers that have jobs here and no lease, and jobs in reach of their end. */
async function sweepRoom(
  context: Context,
  room: OpenRoom,
  { types, keeps }: { readonly types: ReadonlyMap<string, TypeRecord>; readonly keeps: KeptBound },
  sums: Sums,
): Promise<{
  readonly workers: readonly string[];
  readonly due: DueJobs;
  readonly leftBehind: number;
}> {
  const args = new Arguments().number(sums.left).number(REMEMBER_GONE_MS);
  for (const type of types.values()) {
    args.text(type.name);
    for (const outcome of OUTCOMES) {
      const count = keeps(room, type, outcome);
      args.number(Number.isFinite(count) ? count : -1);
    }
  }
  const reply = await context.link.call(SWEEP_ROOM, room.keys, args);
  sums.removed += Number(reply[0]);
  sums.left -= Number(reply[0]);
  if (Number(reply[1]) === 1) sums.more = true;
  const workerCount = Number(reply[2]);
  const workers = reply.slice(3, 3 + workerCount).map(String);
  const due = new Map<JobId, string>();
  const jobCount = Number(reply[3 + workerCount]);
  for (let job = 0; job < jobCount; job += 1) {
    const at = 4 + workerCount + job * 2;
    due.set(readId(reply[at + 1] as Buffer), String(reply[at]));
  }
  const end = 4 + workerCount + jobCount * 2;
  if (Number(reply[end]) > 0) await deliverMoved(context, room);
  return { workers, due, leftBehind: Number(reply[end + 1]) };
}

/** Jobs that were not started in time fail; cancel requests that nobody answered are carried out. */
async function endDue(
  context: Context,
  room: OpenRoom,
  due: DueJobs,
  types: ReadonlyMap<string, TypeRecord>,
  sums: Sums,
): Promise<void> {
  if (due.size === 0) return;
  const ids = [...due.keys()].slice(0, Math.max(0, sums.left));
  if (ids.length < due.size) sums.more = true;
  const jobs = await readJobs(context, room, ids);
  const moves: { readonly move: Move; readonly kind: string }[] = [];
  const done = new Arguments();
  await finishOvertaken(
    context,
    room,
    ids.filter((id) => due.get(id) === OVERTAKEN),
  );
  for (const [index, id] of ids.entries()) {
    if (due.get(id) === OVERTAKEN) continue;
    const job = jobs[index] ?? null;
    const kind = due.get(id) ?? "";
    const move = job === null ? null : endOverdue(job, kind, types);
    if (move !== null) moves.push({ move, kind });
    else done.raw(timerOf(kind, id));
  }
  const results = await applyMoves(
    context,
    room,
    moves.map(({ move }) => move),
  );
  for (const [index, { kind }] of moves.entries()) {
    if (results[index] !== "moved") continue;
    sums.left -= 1;
    if (kind === "x") sums.expired += 1;
    else sums.cancelled += 1;
  }
  if (done.count > 0) await context.link.call(DROP_DONE_TIMERS, room.keys, done);
}

function timerOf(kind: string, id: JobId): Buffer {
  return Buffer.concat([Buffer.from(kind), Buffer.from(id.replaceAll("-", ""), "hex")]);
}

function endOverdue(
  job: StoredJob,
  kind: string,
  types: ReadonlyMap<string, TypeRecord>,
): Move | null {
  const policy = policyOf(types, job.record.type, job.retention);
  if (kind === "x") {
    const transition = expire(job.record, policy, SYMBOLIC_NOW_MS);
    if (transition.kind === "rejected") return null;
    const error = transition.kind === "changed" ? transition.job.error : null;
    const failed = error ?? { name: "MillraceError", code: "JOB_EXPIRED", message: "expired" };
    return endingMove(job, transition, { kind: "failed", error: failed });
  }
  const transition = withdraw(job.record, policy, SYMBOLIC_NOW_MS);
  if (transition.kind === "rejected") return null;
  const error = cancelError(job.record.cancelRequest?.reason ?? "");
  return endingMove(job, transition, { kind: "cancelled", error });
}

function endingMove(
  job: StoredJob,
  transition: Exclude<Transition, { kind: "rejected" }>,
  change: JobChange,
): Move {
  const changes: JobChange[] = [change];
  if (transition.kind === "removed") changes.push({ kind: "removed" });
  return { job, claim: null, transition, changes };
}

/** Takes back what a dead worker ran, over all rooms: how much that was decides who is charged. */
async function takeBack(
  context: Context,
  rooms: readonly OpenRoom[],
  worker: string,
  types: ReadonlyMap<string, TypeRecord>,
  sums: Sums,
): Promise<void> {
  const found: {
    readonly room: OpenRoom;
    readonly ids: readonly JobId[];
    readonly running: number;
  }[] = [];
  await Promise.all(
    rooms.map(async (room) => {
      const end = new Arguments().text(worker).number(REMEMBER_GONE_MS).text("0");
      await context.link.call(END_LEASE, room.keys, end);
      room.idle.delete(worker);
      const { ids, running } = await runningIn(context, room, worker);
      if (ids.length > 0) found.push({ room, ids, running });
    }),
  );
  if (found.length === 0) return;
  const runningJobs = await rememberCount(
    context,
    worker,
    found.reduce((sum, { running }) => sum + running, 0),
  );
  for (const { room, ids } of found) {
    if (sums.left < ids.length) sums.more = true;
    const jobs = await readJobs(context, room, ids.slice(0, Math.max(0, sums.left)));
    const moves: Move[] = [];
    for (const job of jobs) {
      if (job?.record.worker !== worker) continue;
      const move = loseJob(job, runningJobs, types);
      if (move !== null) moves.push(move);
    }
    const results = await applyMoves(context, room, moves);
    for (const [index, move] of moves.entries()) {
      if (results[index] === "moved") countLost(move, sums);
    }
  }
}

/** The first sweep that finds jobs of a dead worker counts them all; later ones see only what is left. */
async function rememberCount(context: Context, worker: string, count: number): Promise<number> {
  const { link, directory } = context;
  const key = `${directory.settings}:died:${worker}`;
  const args = new Arguments().number(count).number(REMEMBER_COUNT_S);
  const [first] = await link.call(KEEP_FIRST, [key], args);
  return Math.max(count, Number(String(first)));
}

function loseJob(
  job: StoredJob,
  runningJobs: number,
  types: ReadonlyMap<string, TypeRecord>,
): Move | null {
  const policy = policyOf(types, job.record.type, job.retention);
  const suspicion = suspicionAfterDeath(job.strikes, runningJobs);
  const transition = lose(job.record, policy, { isCharged: suspicion.isCharged }, SYMBOLIC_NOW_MS);
  if (transition.kind === "rejected") return null;
  const changes = [changeOfLoss(job, transition)];
  if (transition.kind === "removed") changes.push({ kind: "removed" });
  // A workflow run that waited did nothing that could be the cause.
  if (job.record.state === "waiting") return { job, claim: null, transition, changes };
  const { strikes, company } = suspicion;
  return { job, claim: null, transition, changes, suspicion: { strikes, company } };
}

function changeOfLoss(
  job: StoredJob,
  { job: lost }: Exclude<Transition, { kind: "rejected" }>,
): JobChange {
  if (lost.state === "ready") return { kind: "readied", why: "lost" };
  // A workflow run that was asked to cancel may fail all the same: what became of it decides.
  if (lost.state === "cancelled") {
    return { kind: "cancelled", error: cancelError(job.record.cancelRequest?.reason ?? "") };
  }
  const error = lost.error ?? {
    name: "MillraceError",
    code: "JOB_CRASHED",
    message: "its workers died",
  };
  return { kind: "failed", error };
}

function countLost(move: Move, sums: Sums): void {
  sums.left -= 1;
  const [change] = move.changes;
  sums.takenBack += 1;
  if (change?.kind === "cancelled") sums.cancelled += 1;
  else if (change?.kind === "failed") sums.crashed += 1;
}
