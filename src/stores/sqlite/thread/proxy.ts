// The caller's side of the store: checks, gathers calls into messages, and hands out what comes back.
import { setTimeout as pause } from "node:timers/promises";
import { MillraceError } from "../../../core/errors.ts";
import {
  checkScheduleChanges,
  checkScheduleQuery,
  checkTicks,
} from "../../../core/schedule-checks.ts";
import { SlidingMap } from "../../../core/sliding-map.ts";
import type {
  AttachWorker,
  ChangeMatching,
  ChangeStep,
  Store,
  Subscribe,
  Subscription,
  WorkerAttachment,
} from "../../../core/store.ts";
import { checkFigures } from "../../../core/figures.ts";
import { CAPABILITIES } from "../../../core/store-description.ts";
import { type Channel, openLocalChannel, openThreadChannel } from "./channel.ts";
import { check } from "../../checks.ts";
import { fromPlainError } from "./faults.ts";
import { createHeartbeat } from "../../heartbeat.ts";
import { LEAVE_LOCK_MS } from "./lock-waits.ts";
import { packRequest, unpackEnqueue, unpackExchange } from "./wire.ts";
import type { Call, EngineOptions, FromEngine, Method, Methods, Notice } from "./messages.ts";

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** Messages under way at a time: the next one waits in the port when the engine is done with one. */
const MAX_IN_FLIGHT = 2;

/** Most calls that wait for an answer: a caller that does not wait for any would else fill the memory. */
const MAX_WAITING_CALLS = 100_000;

/** Gathers calls into messages. */
export class Caller {
  readonly #waiting = new SlidingMap<number, Waiting>();
  readonly #handlers = new Map<number, (notice: Notice) => void>();
  #channel: Channel | undefined;
  #gathered: Call[] = [];
  #inFlight = 0;
  #isFlushing = false;
  #nextNo = 1;
  /** Why no call is taken any longer. */
  #end: MillraceError | null = null;
  #closing: Promise<void> | undefined;

  /** Opens the engine. To be called once, before anything else. */
  async open(options: EngineOptions): Promise<void> {
    const open = options.path === ":memory:" ? openLocalChannel : openThreadChannel;
    this.#channel = await open(options, {
      onMessage: (message) => this.#onMessage(message),
      onDeath: (reason) => this.#onDeath(reason),
    });
  }

  call<Name extends Method>(
    method: Name,
    request: Methods[Name]["request"],
  ): Promise<Methods[Name]["reply"]> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) {
        reject(this.#end);
        return;
      }
      if (this.#waiting.size >= MAX_WAITING_CALLS && method !== "close") {
        reject(tooManyCalls());
        return;
      }
      const no = this.#nextNo;
      this.#nextNo += 1;
      this.#waiting.set(no, { resolve, reject });
      this.#gathered.push({ no, method, request });
      if (this.#waiting.size === 1) this.#hold();
      if (this.#isFlushing || this.#inFlight >= MAX_IN_FLIGHT) return;
      // Calls made in the same turn travel together.
      this.#isFlushing = true;
      queueMicrotask(() => this.#flush());
    });
  }

  onNotice(key: number, handle: (notice: Notice) => void): void {
    this.#handlers.set(key, handle);
  }

  offNotice(key: number): void {
    this.#handlers.delete(key);
    this.#hold();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = this.call("close", null);
    this.#end ??= new MillraceError("STORE_CLOSED");
    await closed.catch(() => undefined);
    this.#handlers.clear();
    await this.#channel?.end();
  }

  #flush(): void {
    this.#isFlushing = false;
    if (this.#gathered.length === 0 || this.#inFlight >= MAX_IN_FLIGHT) return;
    const calls = this.#gathered;
    this.#gathered = [];
    this.#inFlight += 1;
    this.#channel?.send(calls);
  }

  #onMessage({ received, replies, notices }: FromEngine): void {
    this.#inFlight -= received;
    for (const reply of replies) {
      const entry = this.#waiting.get(reply.no);
      this.#waiting.delete(reply.no);
      if ("error" in reply) entry?.reject(fromPlainError(reply.error));
      else entry?.resolve(reply.value as never);
    }
    this.#flush();
    this.#hold();
    for (const notice of notices) this.#handlers.get(notice.key)?.(notice);
  }

  #onDeath(reason: string): void {
    this.#end ??= new MillraceError("STORE_FAILED", {
      message: `the store thread died: ${reason}`,
    });
    for (const entry of this.#waiting.values()) entry.reject(this.#end);
    this.#waiting.clear();
  }

  /** The process lives on while an answer is awaited, a worker attached or something followed. */
  #hold(): void {
    this.#channel?.hold(this.#waiting.size > 0 || this.#handlers.size > 0);
  }
}

function tooManyCalls(): MillraceError {
  return new MillraceError("STORE_BUSY", {
    message: `${MAX_WAITING_CALLS} calls wait for the store already; wait for answers before calling again`,
  });
}

/** Makes the store of a caller. */
export function createStore(caller: Caller, options: EngineOptions): Store {
  let lastKey = 0;
  const nextKey = (): number => {
    lastKey += 1;
    return lastKey;
  };
  return {
    capabilities: new Set(CAPABILITIES),
    durability: options.path === ":memory:" ? "memory" : options.durability,
    ...plainMethods(caller, options),
    attachWorker: (request) => attachWorker(caller, nextKey(), request),
    subscribe: (request) => subscribe(caller, nextKey(), request),
    close: () => caller.close(),
  };
}

async function attachWorker(
  caller: Caller,
  key: number,
  { worker, leaseDurationMs, listener }: AttachWorker,
): Promise<WorkerAttachment> {
  check.attach({ worker, leaseDurationMs });
  const heartbeat = createHeartbeat();
  caller.onNotice(key, (notice) => {
    if (notice.kind === "wake") listener.wake();
    else if (notice.kind === "cancel") listener.cancel(notice.requests);
    else if (notice.kind === "news") listener.news?.(notice.news);
    else if (notice.kind === "lost") {
      caller.offNotice(key);
      listener.lost(notice.reason);
    }
  });
  try {
    await caller.call("attach", { key, worker, leaseDurationMs, heartbeat: heartbeat.buffer });
  } catch (error) {
    caller.offNotice(key);
    throw error;
  }
  let closed: Promise<void> | undefined;
  return {
    heartbeat: ({ deadlineInMs }) => heartbeat.beat(deadlineInMs),
    update: async (request) => {
      await caller.call("update", { key, worker: request.worker });
    },
    close: () => (closed ??= closeKey(caller, "detach", key)),
  };
}

async function subscribe(
  caller: Caller,
  key: number,
  { filter, listener, onGap }: Subscribe,
): Promise<Subscription> {
  caller.onNotice(key, (notice) => {
    if (notice.kind === "event") listener(notice.event);
    else if (notice.kind === "gap") onGap(notice.reason);
  });
  try {
    await caller.call("follow", { key, filter });
  } catch (error) {
    caller.offNotice(key);
    throw error;
  }
  let closed: Promise<void> | undefined;
  return { close: () => (closed ??= closeKey(caller, "unfollow", key)) };
}

/** One step of an order. Others get the lock before the next one takes it again; in memory there are none. */
async function changeMatching(
  caller: Caller,
  request: ChangeMatching,
  path: string,
): Promise<ChangeStep> {
  const step = await caller.call("changeMatching", request);
  if (step.changed > 0 && step.cursor !== undefined && path !== ":memory:") {
    await pause(LEAVE_LOCK_MS);
  }
  return step;
}

function plainMethods(
  caller: Caller,
  { path }: EngineOptions,
): Omit<Store, "capabilities" | "durability" | "attachWorker" | "subscribe" | "close"> {
  return {
    enqueue: async (request) =>
      unpackEnqueue(await caller.call("enqueue", check.enqueue(request)), request.jobs),
    exchange: async (request) =>
      unpackExchange(await caller.call("exchange", packRequest(check.exchange(request))), request),
    report: async (request) => caller.call("report", check.report(request)),
    workers: () => caller.call("workers", null),
    get: async (request) => caller.call("get", check.ids(request)),
    list: async (request) => caller.call("list", check.list(request)),
    logs: async (request) => caller.call("logs", check.logs(request)),
    signal: async (request) => caller.call("signal", check.signal(request)),
    readRun: async (request) => caller.call("readRun", check.readRun(request)),
    cancel: async (request) => caller.call("cancel", check.ids(request)),
    retry: async (request) => caller.call("retry", check.ids(request)),
    remove: async (request) => caller.call("remove", check.ids(request)),
    change: async (request) => caller.call("change", check.change(request)),
    changeMatching: async (request) => changeMatching(caller, check.changeMatching(request), path),
    places: async (request) => caller.call("places", check.ids(request)),
    queues: () => caller.call("queues", null),
    setPaused: async (request) => {
      await caller.call("setPaused", check.setPaused(request));
    },
    setLimits: async (request) => {
      await caller.call("setLimits", check.setLimits(request));
    },
    releaseHold: async (request) => caller.call("releaseHold", check.releaseHold(request)),
    limits: async (query) => caller.call("limits", check.limits(query)),
    putTypes: async (request) => {
      await caller.call("putTypes", check.putTypes(request));
    },
    types: () => caller.call("types", null),
    addFigures: async (request) => {
      checkFigures(request.figures);
      await caller.call("addFigures", request);
    },
    figures: async (request) => caller.call("figures", request),
    changeSchedules: async (request) =>
      caller.call("changeSchedules", checkScheduleChanges(request)),
    schedules: async (request) => caller.call("schedules", checkScheduleQuery(request)),
    tick: async (request) => caller.call("tick", checkTicks(request)),
    sweep: async (request) => caller.call("sweep", check.sweep(request)),
    describe: () => caller.call("describe", null),
  };
}

/** Ends an attachment or a subscription. A store that closed meanwhile has ended it already. */
async function closeKey(caller: Caller, method: "detach" | "unfollow", key: number): Promise<void> {
  try {
    await caller.call(method, { key });
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== "STORE_CLOSED") throw error;
  } finally {
    caller.offNotice(key);
  }
}
