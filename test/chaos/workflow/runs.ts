// What F1 and F2 share: the stores that runs are kept in, their workers, and the judgement of how runs ended.
import { type Millrace, type RunView, type Store, openMillrace } from "millrace";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { openStore } from "../../../src/runtime/open-store.ts";
import { MortalCluster } from "../redis/cluster.ts";
import { MortalServer } from "../redis/server.ts";
import { type Chaos, Program, TransitionCounter } from "../harness/index.ts";
import { countJobs, until } from "../harness/place.ts";
import { GOOD_RESULT, type RunTypes, type Undone, runTypes } from "../programs/run-jobs.ts";
import type { RunnerOptions } from "../programs/runner.ts";

const RUNNER = new URL("../programs/runner.ts", import.meta.url);
/** Runs whose views are read at once. */
const READ_TOGETHER = 20;

/** A store with runs in it, watched from a process that no fault befalls. */
export class RunPlace {
  readonly name: string;
  readonly types: RunTypes = runTypes(() => {});
  readonly transitions: TransitionCounter = new TransitionCounter();
  readonly #chaos: Chaos;
  readonly #address: { readonly url: string; readonly namespace: string };
  readonly #record: string;
  readonly #runs: { readonly id: string; readonly isGood: boolean }[] = [];
  #mill: Millrace | undefined;
  #started = 0;

  constructor(chaos: Chaos, name: string, url: string) {
    this.#chaos = chaos;
    this.name = name;
    this.#address = { url, namespace: "default" };
    this.#record = join(chaos.directory, `undone-${name}`);
  }

  /** Opens it. `false`: this store keeps no runs. */
  async open(): Promise<boolean> {
    const store = this.#chaos.use(asDisposable(await openStore(this.#address)));
    if (!store.capabilities.has("workflows")) return false;
    const mill = await openMillrace({ store, logger: false, jobs: this.types.all });
    this.#mill = this.#chaos.use(mill);
    const see = this.transitions.see.bind(this.transitions);
    await mill.subscribe({}, see, () => (this.transitions.gaps += 1));
    return true;
  }

  get mill(): Millrace {
    if (this.#mill === undefined) throw new Error("it is not open");
    return this.#mill;
  }

  async startWorker(how: Partial<RunnerOptions> = {}): Promise<Program> {
    this.#started += 1;
    const program = await Program.start({
      program: RUNNER,
      options: { store: this.#address.url, record: this.#record, isTwice: false, ...how },
      directory: this.#chaos.directory,
      name: `${this.name}-${this.#started}`,
    });
    this.#chaos.use(program);
    await program.ask({ kind: "start" }, this.#chaos.signal);
    return program;
  }

  /** Begins runs, half of which fail and undo. */
  async begin(count: number): Promise<void> {
    const { good, bad } = this.types;
    const inputs = Array.from({ length: Math.ceil(count / 2) }, () => null);
    for (const type of [good, bad]) {
      for (const { id } of await this.mill.enqueueMany(type, inputs)) {
        this.#runs.push({ id, isGood: type === good });
      }
    }
  }

  /** Waits until every run has ended, and judges how. */
  async judge(): Promise<void> {
    const chaos = this.#chaos;
    await until(chaos, `the end of ${this.#runs.length} runs on ${this.name}`, () => this.isIdle());
    const undone = readUndone(this.#record);
    let [stuck, wrong, open, missing] = [0, 0, 0, 0];
    for (let from = 0; from < this.#runs.length; from += READ_TOGETHER) {
      await Promise.all(
        this.#runs.slice(from, from + READ_TOGETHER).map(async ({ id, isGood }) => {
          const view = await this.mill.runs.get(id);
          if (view === null || view.endedAt === null) stuck += 1;
          else if (!(isGood ? isGoodEnd(view) : isBadEnd(view))) wrong += 1;
          open += view?.steps.filter(isOpen).length ?? 0;
          if (!isGood && !isDeepStrictEqual(undone.get(id), ["second", "first"])) missing += 1;
        }),
      );
    }
    const { name } = this;
    chaos.figure(`${name}: runs`, this.#runs.length);
    chaos.must(`${name}: stuck`, stuck, { exactly: 0 });
    chaos.must(`${name}: ended otherwise than they should`, wrong, { exactly: 0 });
    chaos.must(`${name}: steps without an end`, open, { exactly: 0 });
    chaos.must(`${name}: undos that are missing, or out of order`, missing, { exactly: 0 });
    chaos.must(`${name}: ended twice`, this.transitions.repeated.length, { exactly: 0 });
    chaos.figure(`${name}: gaps in the events`, this.transitions.gaps);
  }

  /** Whether nothing is left to do. */
  async isIdle(): Promise<boolean> {
    return (await countJobs(this.mill)).open === 0;
  }
}

/** The stores, one after the other; those that keep no runs are told, and left out. */
export async function onEveryStore(
  chaos: Chaos,
  act: (place: RunPlace) => Promise<void>,
): Promise<void> {
  const server = chaos.use(await MortalServer.start());
  const urls = [
    ["sqlite", `sqlite:${join(chaos.directory, "runs.db")}`],
    ["redis", server.url],
  ];
  // The short form leaves it out: to start it takes seconds.
  if (!chaos.isShort) urls.push(["cluster", chaos.use(await MortalCluster.start()).url]);
  for (const [name = "", url = ""] of urls) {
    const place = new RunPlace(chaos, name, url);
    if (await place.open()) await act(place);
    else chaos.figure(name, "keeps no runs");
  }
}

function asDisposable(store: Store): Store & AsyncDisposable {
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

function isGoodEnd({ state, result }: RunView): boolean {
  return state === "succeeded" && isDeepStrictEqual(result, GOOD_RESULT);
}

function isBadEnd({ state, undone, notUndone }: RunView): boolean {
  return state === "failed" && isDeepStrictEqual(undone, [2, 1]) && notUndone.length === 0;
}

function isOpen({ state }: RunView["steps"][number]): boolean {
  return state === "waiting" || state === "running";
}

/** What was undone of each run, in the order in which it was first; at-least-once work may do it again. */
function readUndone(path: string): ReadonlyMap<string, readonly string[]> {
  const undone = new Map<string, string[]>();
  if (!existsSync(path)) return undone;
  for (const line of readFileSync(path, "utf8").trim().split("\n")) {
    const { run, what } = JSON.parse(line) as Undone;
    const known = undone.get(run) ?? [];
    if (!known.includes(what)) known.push(what);
    undone.set(run, known);
  }
  return undone;
}
