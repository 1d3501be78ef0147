// The collection: gives out shares of what is missing until exactly so many samples are there.
import { checkOptions } from "../../core/arguments.ts";
import { formatDuration } from "../../core/duration.ts";
import type { Fleet, FleetEvent } from "../fleet.ts";
import { openFleet } from "../fleet.ts";
import { measuredPaceMs } from "./ideal.ts";
import type { Life } from "./ideal.ts";
import { COLLECT_NAMES, fleetOf, parseRandomNumber, readCollectOptions } from "./options.ts";
import type { CollectOptions, CollectSettings } from "./options.ts";
import { chooseSlowest, nextOverdueAtMs } from "./rebalance.ts";
import { makeReport } from "./report.ts";
import type { CollectReport, CollectResult, MemberReport } from "./report.ts";
import { nextShare } from "./shares.ts";
import { Source } from "./source.ts";
import type { ParseSample } from "./stream.ts";

/** A collection under way. Made by {@link startCollection}. */
export class Collection<Sample> {
  /** Resolves, when the fleet is gone again, with what was collected; complete or not. */
  readonly result: Promise<CollectResult<Sample>>;
  readonly #fleet: Fleet;
  readonly #settings: CollectSettings<Sample>;
  readonly #sources = new Map<number, Source<Sample>>();
  readonly #lives: Life[] = [];
  readonly #openLives = new Map<number, Life>();
  readonly #values: Sample[] = [];
  readonly #startedAtMs: number;
  readonly #finished = Promise.withResolvers<CollectReport>();
  #firstSampleAtMs: number | undefined;
  #unassigned: number;
  #isFinished = false;
  #review: NodeJS.Timeout | undefined;

  /** @param startedAtMs of the monotonic clock, not later than the fleet's first spawn */
  constructor(
    fleet: Fleet,
    settings: CollectSettings<Sample>,
    startedAtMs: number,
    signal?: AbortSignal,
  ) {
    this.#fleet = fleet;
    this.#settings = settings;
    this.#startedAtMs = startedAtMs;
    this.#unassigned = settings.samples;
    this.result = this.#run(signal);
  }

  /** How far it is, at this moment. */
  snapshot(): CollectReport {
    return this.#report(undefined);
  }

  /** Calls `listener` for each change of the fleet; the function it gives ends that. */
  subscribe(listener: (event: FleetEvent) => void): () => void {
    return this.#fleet.subscribe(listener);
  }

  async #run(signal?: AbortSignal): Promise<CollectResult<Sample>> {
    const unsubscribe = this.#fleet.subscribe((event) => this.#hear(event));
    const cancel = (): void => this.#finish("it was cancelled");
    signal?.addEventListener("abort", cancel);
    if (signal?.aborted === true) cancel();
    const { giveUpAfterMs } = this.#settings;
    const giveUp =
      giveUpAfterMs !== undefined &&
      setTimeout(() => this.#finish(`${formatDuration(giveUpAfterMs)} were over`), giveUpAfterMs);
    try {
      const report = await this.#finished.promise;
      return { ...report, values: this.#values };
    } finally {
      if (giveUp !== false) clearTimeout(giveUp);
      signal?.removeEventListener("abort", cancel);
      unsubscribe();
      await this.#fleet.stop();
    }
  }

  #hear(event: FleetEvent): void {
    if (this.#isFinished) return;
    const { type } = event;
    if (type === "ready") this.#open(event.member);
    if (type === "crashed" || type === "failed" || type === "stopping") this.#close(event.member);
    if (type === "degraded") this.#lookForHope();
    this.#giveOut();
  }

  #open(id: number): void {
    const member = this.#fleet.members().find((each) => each.id === id);
    if (member === undefined) return;
    const life = { readyAtMs: this.#elapsedMs(), endedAtMs: Number.POSITIVE_INFINITY };
    this.#lives.push(life);
    this.#openLives.set(id, life);
    this.#sourceOf(id).open(member);
  }

  #close(id: number): void {
    const life = this.#openLives.get(id);
    if (life !== undefined) life.endedAtMs = this.#elapsedMs();
    this.#openLives.delete(id);
    this.#unassigned += this.#sources.get(id)?.close() ?? 0;
  }

  #sourceOf(id: number): Source<Sample> {
    const known = this.#sources.get(id);
    if (known !== undefined) return known;
    const source = new Source<Sample>(id, this.#settings, {
      sample: (from, sample) => this.#take(from, sample),
      released: (_from, rest) => {
        this.#unassigned += rest;
        this.#giveOut();
      },
      failed: (from, reason) => this.#fleet.reportFailure(from.id, from.start, reason),
    });
    this.#sources.set(id, source);
    return source;
  }

  #take(source: Source<Sample>, sample: Sample): void {
    if (this.#isFinished) return;
    this.#firstSampleAtMs ??= this.#elapsedMs();
    this.#values.push(sample);
    if (this.#values.length === this.#settings.samples) this.#finish(undefined);
    else this.#fleet.reportProgress(source.id, source.start);
  }

  /** Gives what no member was asked for to those that are free: first to the one free longest, whose next sample is nearest. */
  #giveOut(): void {
    if (this.#isFinished) return;
    const free = [...this.#sources.values()]
      .filter((source) => source.freeSinceMs !== undefined)
      .sort((one, other) => (one.freeSinceMs ?? 0) - (other.freeSinceMs ?? 0));
    clearTimeout(this.#review);
    if (free[0] !== undefined && this.#unassigned === 0) this.#rebalance(free);
    const members = this.#fleet.members().filter((member) => member.phase !== "degraded").length;
    for (const source of free) {
      if (this.#unassigned === 0) return;
      if (source.freeSinceMs === undefined) continue;
      const missing = this.#settings.samples - this.#values.length;
      const share = nextShare(this.#unassigned, missing, members);
      this.#unassigned -= share;
      source.ask(share);
    }
  }

  /** Nothing is left to give out: what one owes may come sooner from another. */
  #rebalance(free: readonly Source<Sample>[]): void {
    const sources = [...this.#sources.values()];
    const paceMs =
      this.#settings.paceMs ?? measuredPaceMs(sources.flatMap((source) => source.gapsMs));
    if (paceMs === undefined) return;
    const nowMs = performance.now();
    for (const source of free) {
      const slowest = chooseSlowest(source, sources, paceMs, nowMs);
      if (slowest === undefined) continue;
      this.#unassigned += slowest.cut() - 1;
      source.ask(1);
    }
    const reviewAtMs = nextOverdueAtMs(sources, paceMs, nowMs);
    if (reviewAtMs === undefined) return;
    this.#review = setTimeout(() => this.#giveOut(), Math.ceil(reviewAtMs - nowMs));
  }

  #lookForHope(): void {
    const members = this.#fleet.members();
    if (members.some((member) => member.phase !== "degraded")) return;
    const lastWords = members.map(({ id }) => this.#fleet.output(id).stderr.trim()).find(Boolean);
    const words = lastWords === undefined ? "" : `; last words: ${lastWords.slice(-500)}`;
    this.#finish(`every member failed too often and was given up${words}`);
  }

  #finish(problem: string | undefined): void {
    if (this.#isFinished) return;
    const report = this.#report(problem);
    this.#isFinished = true;
    clearTimeout(this.#review);
    for (const source of this.#sources.values()) source.close();
    this.#finished.resolve(report);
  }

  #elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  #report(problem: string | undefined): CollectReport {
    const members: MemberReport[] = this.#fleet.members().map((member) => {
      const source = this.#sources.get(member.id);
      const { id, phase, crashes, restarts } = member;
      return {
        id,
        phase,
        crashes,
        restarts,
        samples: source?.samples ?? 0,
        stalls: source?.stalls ?? 0,
      };
    });
    return makeReport({
      settings: this.#settings,
      count: this.#values.length,
      elapsedMs: this.#elapsedMs(),
      firstSampleAtMs: this.#firstSampleAtMs,
      problem,
      members,
      lives: this.#lives,
      sources: [...this.#sources.values()],
    });
  }
}

/** Options with a parser of one's own, which says what a sample is. */
type WithParse<Sample> = CollectOptions<Sample> & { readonly parse: ParseSample<Sample> };

/**
 * Starts a fleet and collects samples from it; `snapshot()` says how far it is.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 */
export function startCollection(options: CollectOptions<number>): Collection<number>;
export function startCollection<Sample>(options: WithParse<Sample>): Collection<Sample>;
export function startCollection<Sample>(options: CollectOptions<Sample>): Collection<Sample> {
  // Without a parser samples are numbers: the first signature says so.
  const given = checkOptions(options, "options", COLLECT_NAMES).parse;
  const parse = given ?? (parseRandomNumber as ParseSample<unknown> as ParseSample<Sample>);
  const settings = readCollectOptions(options, parse);
  const startedAtMs = performance.now();
  const fleet = openFleet(fleetOf(options, settings.size));
  return new Collection(fleet, settings, startedAtMs, options.signal);
}

/**
 * Collects samples from a fleet that is started for it, and stops the fleet.
 *
 * Never rejects for what members do: the result says whether the samples are complete, and in time.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 * @example
 * const { values, elapsedMs } = await collect({
 *   command: "./worker -workerId {id} -port {port}",
 *   url: "http://localhost:{port}/rnd?n={n}",
 *   samples: 150,
 *   workers: 16,
 *   within: "10s",
 * });
 */
export function collect(options: CollectOptions<number>): Promise<CollectResult<number>>;
export function collect<Sample>(options: WithParse<Sample>): Promise<CollectResult<Sample>>;
export async function collect<Sample>(
  options: CollectOptions<Sample>,
): Promise<CollectResult<Sample>> {
  return startCollection(options as WithParse<Sample>).result;
}
