// A thread that all stores of a kind in a process share: it starts when the first needs it, outlives the last for a
// while, and answers calls.
import { Worker } from "node:worker_threads";
import { MillraceError } from "../core/errors.ts";
import { threadEnvironment } from "./thread-environment.ts";

/** How long the thread outlives its last store: a process that opens one after the other starts one thread. */
const LINGER_MS = 2_000;

/** The answer to a call. */
interface Answer {
  readonly kind: "answer";
  readonly call: number;
  readonly failure: string | null;
}

/** A store's side of the thread. */
export interface ThreadMember<Request> {
  readonly store: number;
  /** Sends what needs no answer. Dropped while nothing was asked yet. */
  send(request: Request): void;
  /**
   * Asks, and starts the thread where it does not run.
   *
   * @throws MillraceError `STORE_FAILED` where the thread says so, or dies
   */
  ask(make: (call: number) => Request): Promise<void>;
  /** Asks, where anything was asked before. */
  tell(make: (call: number) => Request): Promise<void>;
  /** Says the last word, if anything was ever said. */
  close(make: (call: number) => Request): Promise<void>;
}

interface Running<News> {
  readonly worker: Worker;
  readonly listeners: Map<number, (news: News) => void>;
  readonly waiting: Map<number, { resolve: () => void; reject: (error: Error) => void }>;
}

/** The thread of one module. */
export class SharedThread<Request, News extends { readonly store: number }> {
  readonly #module: URL;
  readonly #name: string;
  #running: Running<News> | null = null;
  #ending: NodeJS.Timeout | null = null;
  #stores = 0;
  #calls = 0;

  constructor(module: URL, name: string) {
    this.#module = module;
    this.#name = name;
  }

  /** Joins a store. `opening` is the first that the thread hears of it, also one that took the place of a dead one. */
  join(opening: (store: number) => Request, onNews: (news: News) => void): ThreadMember<Request> {
    this.#stores += 1;
    const store = this.#stores;
    let opened: Running<News> | null = null;
    const open = (): Running<News> => {
      if (opened === null || opened !== this.#running) {
        opened = this.#take();
        opened.listeners.set(store, onNews);
        opened.worker.postMessage(opening(store));
      }
      return opened;
    };
    return {
      store,
      send: (request) => opened?.worker.postMessage(request),
      ask: async (make) => this.#ask(open(), make),
      tell: async (make) => {
        if (opened !== null && opened === this.#running) await this.#ask(opened, make);
      },
      close: async (make) => {
        const last = opened;
        opened = null;
        if (last === null || last !== this.#running) return;
        await this.#ask(last, make);
        last.listeners.delete(store);
        this.#endUnused(last);
      },
    };
  }

  #take(): Running<News> {
    if (this.#ending !== null) clearTimeout(this.#ending);
    this.#ending = null;
    this.#running ??= this.#start();
    return this.#running;
  }

  #start(): Running<News> {
    const worker = new Worker(this.#module, { name: this.#name, env: threadEnvironment() });
    const running: Running<News> = { worker, listeners: new Map(), waiting: new Map() };
    worker.unref();
    worker.on("message", (notice: News | Answer) => {
      if ("call" in notice) settle(running, this.#name, notice.call, notice.failure);
      else running.listeners.get(notice.store)?.(notice);
    });
    worker.on("error", (error) => {
      if (this.#running === running) this.#running = null;
      for (const call of running.waiting.keys()) settle(running, this.#name, call, error.message);
    });
    return running;
  }

  #ask(running: Running<News>, make: (call: number) => Request): Promise<void> {
    this.#calls += 1;
    const call = this.#calls;
    return new Promise((resolve, reject) => {
      running.waiting.set(call, { resolve, reject });
      running.worker.postMessage(make(call));
    });
  }

  #endUnused(running: Running<News>): void {
    if (running.listeners.size > 0) return;
    this.#ending = setTimeout(() => {
      if (running.listeners.size > 0) return;
      if (this.#running === running) this.#running = null;
      void running.worker.terminate();
    }, LINGER_MS);
    this.#ending.unref();
  }
}

function settle<News>(
  { waiting }: Running<News>,
  name: string,
  call: number,
  failure: string | null,
): void {
  const entry = waiting.get(call);
  waiting.delete(call);
  if (failure === null) entry?.resolve();
  else entry?.reject(new MillraceError("STORE_FAILED", { message: `${name}: ${failure}` }));
}
