// Workers of this process: their leases, what they are told, and their end.
import { MillraceError } from "../../../core/errors.ts";
import type {
  AttachWorker,
  WorkerAttachment,
  WorkerDescription,
  WorkerListener,
  WorkerRecord,
} from "../../../core/store.ts";
import type { SharedClock } from "../../clock.ts";
import { readHanded } from "../exchange/claims.ts";
import { type Context, policyOf, storeNowMs } from "../context.ts";
import type { Exchanger } from "../exchange/exchange.ts";
import type { WorkerState } from "../exchange/worker-state.ts";
import { type Keeper, createKeeper } from "./keeper.ts";
import { workerChannel } from "../layout.ts";
import { type Move, applyMoves } from "../moves.ts";
import { type OwnNews, followNews } from "../runs/news.ts";
import { readJobs } from "../reading.ts";
import type { OpenRoom } from "../rooms.ts";
import { COUNT_JOBS } from "../scripts/read.ts";
import { END_LEASE } from "../scripts/upkeep.ts";
import { LEAVE_DIRECTORY, LIST_WORKERS, PASS_ON, RUNNING_JOBS } from "../scripts/workers.ts";
import { decideSettlement } from "../exchange/settling.ts";
import { type Presence, createPresence } from "../link/presence.ts";
import type { Subscriber } from "../link/subscriber.ts";
import type { RedisLocation } from "../url.ts";
import { Arguments, readId } from "../link/wire.ts";

/** How long a worker that left is remembered, so that nothing is claimed in its name any more. */
export const REMEMBER_GONE_MS = 3_600_000;
/** Shortest lease: below it the renewals themselves would be late. */
const SHORTEST_LEASE_MS = 100;

/** The workers of an open store. */
export interface Workers {
  readonly states: ReadonlyMap<string, WorkerState>;
  attach(request: AttachWorker, exchanger: Exchanger): Promise<WorkerAttachment>;
  /** A sweep found these dead: of those that are attached here nothing may be claimed any more. */
  noteDead(workers: readonly string[]): void;
  list(): Promise<readonly WorkerRecord[]>;
  /** Ends every lease, and gives back what is claimed. */
  close(exchanger: Exchanger): Promise<void>;
}

interface Attached extends WorkerState {
  readonly description: WorkerDescription;
  readonly listener: WorkerListener;
  readonly rooms: Set<OpenRoom>;
  readonly news: OwnNews;
  isFull: boolean;
}

/** Opens the workers' side of a store. */
export function openWorkers(
  context: Context,
  location: RedisLocation,
  subscriber: Subscriber,
  clock: SharedClock | undefined,
): Workers {
  const attached = new Map<string, Attached>();
  const presence = createPresence(context.link, location);
  const lose = (worker: string, reason: string): void => {
    const state = attached.get(worker);
    if (state === undefined) return;
    attached.delete(worker);
    state.news.end();
    presence.leave(worker);
    void subscriber.unsubscribe(workerChannel(worker));
    state.listener.lost(reason);
  };
  const keeper = createKeeper(
    {
      location,
      directory: context.directory,
      // Only its memory can go to another thread.
      clock: clock === undefined ? undefined : { offset: clock.offset },
    },
    {
      lost: lose,
      cancel: ({ worker, room, requests }) => {
        if (context.rooms.byName(room) === undefined) return;
        const told = requests.map(({ id, reason }) => ({ id: readId(id), reason }));
        attached.get(worker)?.listener.cancel(told);
      },
    },
  );
  subscriber.onLoss(() => lookAround(attached.values()));
  return {
    states: attached,
    attach: (request, exchanger) =>
      attach({ context, keeper, subscriber, presence, attached }, request, exchanger),
    noteDead: (workers) => {
      for (const worker of workers) {
        if (!attached.has(worker)) continue;
        keeper.detach(worker).catch(() => {});
        lose(worker, "the lease ended before it was renewed, and others took the jobs");
      }
    },
    list: () => listWorkers(context),
    close: async (exchanger) => {
      const insides = { context, keeper, subscriber, presence, attached };
      await Promise.allSettled(
        [...attached.values()].map((state) => detach(insides, state, exchanger)),
      );
      presence.close();
      await keeper.close();
    },
  };
}

/** Messages may be missing. */
function lookAround(workers: Iterable<Attached>): void {
  for (const { listener, news } of workers) {
    listener.wake();
    news.look();
  }
}

interface Insides {
  readonly context: Context;
  readonly keeper: Keeper;
  readonly subscriber: Subscriber;
  readonly presence: Presence;
  readonly attached: Map<string, Attached>;
}

async function attach(
  insides: Insides,
  request: AttachWorker,
  exchanger: Exchanger,
): Promise<WorkerAttachment> {
  const { keeper, subscriber, presence, attached } = insides;
  const { worker, listener } = request;
  if (attached.has(worker.id)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `worker ${worker.id} is attached already; every attachment takes an id of its own`,
    });
  }
  const leaseMs = Math.max(SHORTEST_LEASE_MS, Math.round(request.leaseDurationMs));
  const state: Attached = {
    description: worker,
    listener,
    leaseMs,
    rooms: new Set(),
    news: followNews(insides.context, { worker: worker.id, listener }),
    isFull: false,
    takesHanded: request.takesHanded === true,
    isSeenAt: (room) => presence.isSeen(worker.id, room.keys),
    owns: (room) => state.news.owns(room),
    noteClaim: (isFull) => {
      state.isFull = isFull;
    },
    wake: () => listener.wake(),
    joined: (room) => {
      if (state.rooms.has(room)) return;
      state.rooms.add(room);
      keeper.join(worker.id, room.keys);
    },
  };
  await subscriber.subscribe(workerChannel(worker.id), (message) =>
    hear(insides, { state, exchanger }, message),
  );
  const attachedAtMs = await storeNowMs(insides.context);
  const describe = (now: WorkerDescription): string => JSON.stringify({ ...now, attachedAtMs });
  const kept = keeper.attach({ id: worker.id, leaseMs, description: describe(worker) });
  const [heartbeat] = await Promise.all([kept, presence.join(worker.id)]).catch(
    (error: unknown) => {
      presence.leave(worker.id);
      throw error;
    },
  );
  attached.set(worker.id, state);
  let closing: Promise<void> | null = null;
  return {
    heartbeat: ({ deadlineInMs }) => heartbeat.beat(deadlineInMs),
    update: async ({ worker: changed }) => {
      keeper.describe(worker.id, describe(changed));
    },
    close: () => (closing ??= detach(insides, state, exchanger)),
  };
}

const WAKE = "w".charCodeAt(0);
const CANCEL = "c".charCodeAt(0);
const NEWS = "f".charCodeAt(0);
const HANDED = "h".charCodeAt(0);

/** A message of a room's script: come and look, cancel, or hear what a workflow run was told. */
function hear(
  { context }: Insides,
  { state, exchanger }: { readonly state: Attached; readonly exchanger: Exchanger },
  message: Buffer,
): void {
  if (message[0] === WAKE) {
    const room = context.rooms.byName(message.toString("utf8", 3));
    if (room === undefined) return;
    room.isHot = true;
    if (state.isFull) {
      // Another may have a slot free.
      const args = new Arguments().raw(message.subarray(1, 3));
      context.link.call(PASS_ON, room.keys, args).catch(() => {});
    } else state.listener.wake();
  } else if (message[0] === CANCEL) {
    const end = message.indexOf(0);
    if (context.rooms.byName(message.toString("utf8", 1, end)) === undefined) return;
    const id = readId(message.subarray(end + 1, end + 17));
    state.listener.cancel([{ id, reason: message.toString("utf8", end + 17) }]);
  } else if (message[0] === NEWS) {
    const end = message.indexOf(0);
    const room = context.rooms.byName(message.toString("utf8", 1, end));
    if (room !== undefined) state.news.hear(room, message.subarray(end + 1));
  } else if (message[0] === HANDED) {
    const claim = readHanded(message, state.description.id, (name) => context.rooms.byName(name));
    // What can't be read yet the next exchange tells again.
    if (claim === null) state.listener.wake();
    else exchanger.hear(claim);
  }
}

/** Ends a lease, and gives back what is still claimed. */
async function detach(insides: Insides, state: Attached, exchanger: Exchanger): Promise<void> {
  const { context, keeper, subscriber, presence, attached } = insides;
  const worker = state.description.id;
  if (!attached.delete(worker)) return;
  state.news.end();
  presence.leave(worker);
  await Promise.all([keeper.detach(worker), subscriber.unsubscribe(workerChannel(worker))]);
  await context.link.call(
    LEAVE_DIRECTORY,
    context.directory.workerKeys,
    new Arguments().text(worker),
  );
  await Promise.all([...state.rooms].map((room) => releaseRoom(context, room, worker)));
  exchanger.forget(worker);
}

async function releaseRoom(context: Context, room: OpenRoom, worker: string): Promise<void> {
  room.idle.delete(worker);
  const args = new Arguments().text(worker).number(REMEMBER_GONE_MS).text("0");
  await context.link.call(END_LEASE, room.keys, args);
  for (;;) {
    const { ids } = await runningIn(context, room, worker);
    if (ids.length === 0) return;
    const moves: Move[] = [];
    for (const job of await readJobs(context, room, ids)) {
      if (job?.record.token == null) continue;
      const { id, token } = job.record;
      const release = { id, token, outcome: { kind: "release" as const } };
      const policy = policyOf(await context.types.read(), job.record.type, job.retention);
      const { move } = decideSettlement(job, release, policy, null);
      if (move !== null) moves.push(move);
    }
    if (moves.length === 0) return;
    await applyMoves(context, room, moves);
  }
}

/** Most jobs moved in one call. */
const MAX_MOVES = 500;

/** Ids of jobs that a worker holds in a room, a bounded number: those that run first, so many in all. */
export async function runningIn(
  context: Context,
  room: OpenRoom,
  worker: string,
): Promise<{ readonly ids: readonly string[]; readonly running: number }> {
  const reply = await context.link.call(RUNNING_JOBS, room.keys, new Arguments().text(worker));
  const ids = reply.slice(1, 1 + MAX_MOVES).map((id) => readId(id as Buffer));
  return { ids, running: Number(reply[0]) };
}

/** What the workers that hold a lease said of themselves, and how long their leases are. */
export async function describeWorkers({
  directory,
  link,
}: Context): Promise<readonly Omit<WorkerRecord, "running">[]> {
  const found = await link.call(LIST_WORKERS, directory.workerKeys);
  const workers: Omit<WorkerRecord, "running">[] = [];
  for (let at = 0; at + 2 < found.length; at += 3) {
    const description = JSON.parse(String(found[at + 2])) as Omit<WorkerRecord, "leaseUntilMs">;
    workers.push({ ...description, leaseUntilMs: Number(String(found[at + 1])) });
  }
  return workers;
}

async function listWorkers(context: Context): Promise<readonly WorkerRecord[]> {
  const { link } = context;
  const [workers, rooms] = await Promise.all([describeWorkers(context), context.rooms.all()]);
  const running = new Map<string, number>();
  const counts = await Promise.all(
    rooms.map((room) => link.call(COUNT_JOBS, room.keys, new Arguments().text("1"))),
  );
  for (const reply of counts) {
    for (let at = 9; at + 1 < reply.length; at += 2) {
      const worker = String(reply[at]);
      running.set(worker, (running.get(worker) ?? 0) + Number(reply[at + 1]));
    }
  }
  return workers.map((worker) => ({ ...worker, running: running.get(worker.id) ?? 0 }));
}
