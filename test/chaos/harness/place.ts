// Where a run takes place: the store's file, the oracle's logs beside it, the processes on it and an onlooker.
import {
  type Durability,
  type Logger,
  type Millrace,
  type WorkerOptions,
  openMillrace,
  silentLogger,
} from "millrace";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChaosTypes, chaosJobs, listTypes } from "../programs/jobs.ts";
import type { MillOptions } from "../programs/mill.ts";
import { EffectLog, readEffects, readPromises } from "./effect-log.ts";
import { TransitionCounter, type Verdict, judge } from "./oracle.ts";
import { Program } from "./process.ts";
import type { Chaos } from "./scenario.ts";

const MILL = new URL("../programs/mill.ts", import.meta.url);

/** Leases as short as they may be, so that a fault shows in seconds; everything else follows from them. */
export const LEASE_MS = 1_000;
export const SWEEP_MS = 200;
export const QUICK_WORKER: WorkerOptions = {
  concurrency: 10,
  leaseDuration: LEASE_MS,
  sweepInterval: SWEEP_MS,
};

/** Between two looks at something that no signal tells of. */
const LOOK_MS = 25;

interface StartOptions extends Omit<MillOptions, "store" | "logs"> {
  /** A command to run it under. */
  readonly under?: readonly string[];
}

/** A store in place of the file. */
export interface PlaceStore {
  readonly url: string;
  readonly durability?: Durability;
}

export class Place {
  readonly #chaos: Chaos;
  readonly #store: PlaceStore;
  /** The store's file. */
  readonly path: string;
  /** The directory of the store's files and nothing else. */
  readonly data: string;
  /** The directory of the oracle's logs and of what the processes print. */
  readonly logs: string;
  /** What workers of this process logged as a warning or an error. */
  readonly told: string[] = [];
  readonly #logsHere: EffectLog[] = [];
  #started = 0;

  /** @param name tells the places of one scenario apart */
  constructor(chaos: Chaos, name = "place", store?: PlaceStore) {
    this.#chaos = chaos;
    this.data = join(chaos.directory, name, "data");
    this.logs = join(chaos.directory, name, "logs");
    this.path = join(this.data, "mill.db");
    this.#store = store ?? { url: `sqlite:${this.path}` };
    mkdirSync(this.data, { recursive: true });
    mkdirSync(this.logs);
  }

  get store(): string {
    return this.#store.url;
  }

  get #durability(): { readonly durability?: Durability } {
    const { durability } = this.#store;
    return durability === undefined ? {} : { durability };
  }

  /** Starts a process on the store; it does not work before it is told to. */
  async startMill(options: StartOptions = {}): Promise<Program> {
    const { under, ...rest } = options;
    this.#started += 1;
    const program = await Program.start({
      program: MILL,
      options: { worker: QUICK_WORKER, ...rest, store: this.store, logs: this.logs },
      directory: this.logs,
      name: `mill-${this.#started}`,
      ...(under === undefined ? {} : { under }),
    });
    return this.#chaos.use(program);
  }

  /** Starts a process that works. */
  async startWorker(options: StartOptions = {}): Promise<Program> {
    const program = await this.startMill(options);
    await program.ask({ kind: "start" }, this.#chaos.signal);
    return program;
  }

  /** Starts a worker in this process: for faults that befall the store, not the worker. */
  async workHere(
    worker: WorkerOptions = QUICK_WORKER,
    url: string = this.store,
  ): Promise<Millrace> {
    const log = this.#chaos.use(new EffectLog(this.logs));
    this.#logsHere.push(log);
    const tell = (fields: object, message: string): void => {
      this.told.push(JSON.stringify({ ...fields, message }));
    };
    const logger: Logger = { ...silentLogger, warn: tell, error: tell };
    const jobs = listTypes(chaosJobs(log));
    const options = { store: url, logger, jobs, worker, ...this.#durability };
    const mill = this.#chaos.use(await openMillrace(options));
    await mill.start();
    return mill;
  }

  /** Whether a worker of this process did what a job is for. No message has to come for it to be known. */
  hasDone(id: string): boolean {
    return this.#logsHere.some(({ done }) => done.has(id));
  }

  /** Opens Millrace in this process, which no fault befalls: it enqueues, and counts how jobs end. */
  async observe(url: string = this.store): Promise<Observer> {
    const mill = await openMillrace({
      store: url,
      logger: false,
      jobs: listTypes(TYPES),
      ...this.#durability,
    });
    this.#chaos.use(mill);
    const log = this.#chaos.use(new EffectLog(this.logs));
    const transitions = new TransitionCounter();
    await mill.subscribe(
      {},
      (event) => transitions.see(event),
      () => (transitions.gaps += 1),
    );
    return { mill, log, types: TYPES, transitions };
  }

  judge(): Verdict {
    return judge(readPromises(this.logs), readEffects(this.logs));
  }

  /** Everything that the processes printed. */
  printed(): string {
    return readdirSync(this.logs)
      .filter((file) => file.endsWith(".out"))
      .map((file) => readFileSync(join(this.logs, file), "utf8"))
      .join("\n");
  }

  /** What SQLite says of its own file: `ok`, or what is wrong. For a moment when nobody writes. */
  checkIntegrity(path: string = this.path): string {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const rows = database.prepare("PRAGMA integrity_check").all();
      return rows.map((row) => String(row["integrity_check"])).join("; ");
    } finally {
      database.close();
    }
  }
}

const TYPES: ChaosTypes = chaosJobs(null);

export interface Observer {
  readonly mill: Millrace;
  readonly log: EffectLog;
  readonly types: ChaosTypes;
  readonly transitions: TransitionCounter;
}

/** Jobs by state, over all queues. */
export async function countJobs(
  mill: Millrace,
): Promise<{ ended: number; failed: number; open: number }> {
  const totals = { ended: 0, failed: 0, open: 0 };
  for (const { counts } of await mill.queues()) {
    totals.ended += counts.succeeded + counts.failed + counts.cancelled;
    totals.failed += counts.failed;
    totals.open += counts.ready + counts.running + counts.scheduled + counts.waiting;
  }
  return totals;
}

/** Waits until something holds. Rejects when the run is given up, or after a time in which it must have come to be. */
export async function until(
  chaos: Chaos,
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 120_000,
): Promise<void> {
  const givenUpAt = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > givenUpAt)
      throw new Error(`${what} did not come about in ${withinMs} ms`);
    await sleep(LOOK_MS, undefined, { signal: chaos.signal });
  }
}

/** What must hold after any fault: nothing lost, nothing made up, no job ended twice. */
export function mustKeepPromises(
  chaos: Chaos,
  verdict: Verdict,
  transitions?: TransitionCounter,
): void {
  chaos.figure("acknowledged", verdict.acknowledged);
  chaos.must("lost", verdict.lost.length, { exactly: 0 });
  chaos.must("unexpected", verdict.unexpected.length, { exactly: 0 });
  chaos.must("enqueued twice", verdict.doubled.length, { exactly: 0 });
  if (transitions === undefined) return;
  chaos.must("ended twice", transitions.repeated.length, { exactly: 0 });
  chaos.figure("gaps in the events", transitions.gaps);
}
