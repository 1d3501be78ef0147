// A fleet: the thin shell around the supervisor's decisions, with processes, timers and listeners.
import { setTimeout as sleep } from "node:timers/promises";
import { MillraceError } from "../core/errors.ts";
import { Guardian, measureGroups, OutputTail } from "../processes/index.ts";
import type { ResourceUse } from "../processes/index.ts";
import { MemberProcess } from "./member-process.ts";
import type { MemberOutput, ProcessSurroundings } from "./member-process.ts";
import { readFleetOptions } from "./options.ts";
import type { FleetOptions, FleetSettings } from "./options.ts";
import { MAX_MEMBERS, wholeNumber } from "./supervisor/policy.ts";
import { decide, nextTickAtMs } from "./supervisor/reducer.ts";
import { EMPTY_FLEET } from "./supervisor/state.ts";
import type {
  FleetChange,
  FleetEffect,
  FleetInput,
  FleetState,
  Member,
  MemberPhase,
} from "./supervisor/state.ts";

/** A change in a fleet, and when: milliseconds since 1970, steady within one process. */
export type FleetEvent = (FleetChange | { readonly type: "unguarded" }) & { readonly atMs: number };

/** A member as its owner sees it. */
export interface MemberStatus {
  readonly id: number;
  readonly phase: MemberPhase;
  /** Which start this is; 0 before the first one. */
  readonly start: number;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  /** Ends that nobody asked for. */
  readonly crashes: number;
  readonly restarts: number;
  /** Failures in a row without progress. */
  readonly failures: number;
}

/** The last output of a member. */
export interface OutputText {
  readonly stdout: string;
  readonly stderr: string;
  /** Bytes of both that are kept no more. */
  readonly droppedBytes: number;
}

/** No timer can wait longer; a fleet with nothing due looks again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Longest that `stop` waits for what even SIGKILL does not end. */
const STOP_MARGIN_MS = 10_000;

/** A supervised fleet of external processes. Made by {@link openFleet}. */
export class Fleet implements AsyncDisposable {
  readonly #settings: FleetSettings;
  readonly #surroundings: ProcessSurroundings;
  readonly #processes = new Map<number, MemberProcess>();
  readonly #ending = new Set<Promise<void>>();
  readonly #outputs = new Map<number, MemberOutput>();
  readonly #listeners = new Set<(event: FleetEvent) => void>();
  readonly #inputs: FleetInput[] = [];
  #state: FleetState = EMPTY_FLEET;
  #isDeciding = false;
  #decidedAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: FleetOptions) {
    this.#settings = readFleetOptions(options);
    const guardian = new Guardian(() => this.#tell({ type: "unguarded" }));
    this.#surroundings = { settings: this.#settings, guardian, takenPorts: new Set() };
  }

  /** Every member, by id. */
  members(): readonly MemberStatus[] {
    return this.#state.members.map((member: Member) => {
      const { id, phase, start, pid, port, crashes, restarts, failures } = member;
      return { id, phase, start, pid, port, crashes, restarts, failures };
    });
  }

  /** Calls `listener` for each change from now on; the function it gives ends that. */
  subscribe(listener: (event: FleetEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Keeps `size` members from now on: starts more, or ends those with the highest ids.
   *
   * @throws MillraceError `INVALID_ARGUMENT`
   */
  scale(size: number): void {
    this.#hear({ type: "resize", size: wholeNumber(size, "size", 0, MAX_MEMBERS) });
  }

  /** Restarts these members at once, or all; one that was degraded gets a new chance. */
  restart(...ids: readonly number[]): void {
    const all = this.#state.members.map((member) => member.id);
    this.#hear({ type: "restart", ids: ids.length === 0 ? all : ids });
  }

  /**
   * Restarts the members one after the other, each when the one before is ready again.
   *
   * @throws MillraceError `LAUNCH_FAILED` when a member does not come back; the others are left as they are
   */
  async roll(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const unsubscribe = this.subscribe((event) => {
      if (event.type === "rolled") resolve(undefined);
      if (event.type === "roll-halted") {
        const message = `the rolling restart halted at member ${event.member}: ${event.reason}`;
        reject(new MillraceError("LAUNCH_FAILED", { message }));
      }
    });
    this.#hear({ type: "roll" });
    if (this.#state.isStopping) reject(stoppedError());
    await promise.finally(unsubscribe);
  }

  /**
   * Waits until every member is ready.
   *
   * @throws MillraceError `LAUNCH_FAILED` when one is degraded, `STOPPED` when the fleet stops first
   */
  async allReady(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const look = (): void => {
      const lost = this.#state.members.find((member) => member.phase === "degraded");
      if (this.#state.isStopping) reject(stoppedError());
      else if (lost !== undefined) reject(this.#degradedError(lost.id));
      else if (this.#state.members.every((member) => member.phase === "ready")) resolve(undefined);
    };
    const unsubscribe = this.subscribe(look);
    look();
    await promise.finally(unsubscribe);
  }

  /** A member did what it is there for: what was held against it is forgotten. */
  reportProgress(id: number, start: number): void {
    this.#hear({ type: "progressed", id, start });
  }

  /** A member does not do what it is there for: it is killed and restarted as after a crash. */
  reportFailure(id: number, start: number, reason: string): void {
    this.#hear({ type: "failed", id, start, reason });
  }

  /** The last output of a member, over all its starts. */
  output(id: number): OutputText {
    const output = this.#outputs.get(id);
    if (output === undefined) return { stdout: "", stderr: "", droppedBytes: 0 };
    const { stdout, stderr } = output;
    const droppedBytes = stdout.droppedBytes + stderr.droppedBytes;
    return { stdout: stdout.text(), stderr: stderr.text(), droppedBytes };
  }

  /** What each running member uses, with all that it forked, by id. */
  async resources(): Promise<ReadonlyMap<number, ResourceUse>> {
    const idByGroup = new Map(
      this.#state.members.flatMap(({ id, pid }) => (pid === undefined ? [] : [[pid, id] as const])),
    );
    const uses = await measureGroups(new Set(idByGroup.keys()));
    return new Map([...uses].map(([group, use]) => [idByGroup.get(group) ?? 0, use]));
  }

  /** Ends every member: SIGTERM, SIGKILL after the grace; resolves when nothing is left. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    this.#hear({ type: "stop" });
    const all = Promise.all([...this.#processes.values()].map((process) => process.over));
    const limit = new AbortController();
    const withinMs = this.#settings.policy.stopGraceMs + STOP_MARGIN_MS;
    const late = sleep(withinMs, undefined, { signal: limit.signal }).catch(() => undefined);
    await Promise.race([Promise.all([all, ...this.#ending]), late]);
    limit.abort();
    clearTimeout(this.#timer);
    await this.#surroundings.guardian.stop();
  }

  #hear(input: FleetInput): void {
    this.#inputs.push(input);
    // A listener or an effect may be heard in the middle of a decision: it waits for the next one.
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#decide(next);
      }
    } finally {
      this.#isDeciding = false;
    }
    this.#setTimer();
  }

  #decide(input: FleetInput): void {
    const { policy } = this.#settings;
    this.#decidedAtMs = performance.now();
    const { state, effects } = decide(
      this.#state,
      input,
      policy,
      this.#decidedAtMs,
      // oxlint-disable-next-line typescript/unbound-method -- it needs no `this`
      Math.random,
    );
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    // Due after the last decision, not after this moment: what came due in between still wants one.
    const dueAtMs = nextTickAtMs(this.#state, this.#settings.policy, this.#decidedAtMs);
    if (dueAtMs === undefined) return;
    // Up, because a timer that fires a fraction early would only be set again.
    const waitMs = Math.ceil(Math.max(0, dueAtMs - performance.now()));
    this.#timer = setTimeout(() => this.#hear({ type: "tick" }), Math.min(MAX_TIMER_MS, waitMs));
  }

  #carryOut(effect: FleetEffect): void {
    switch (effect.type) {
      case "spawn":
        this.#spawn(effect.id, effect.start);
        break;
      case "signal":
        this.#processOf(effect)?.signal(effect.signal);
        break;
      case "check":
        void this.#check(effect.id, effect.start);
        break;
      case "tell":
        if (effect.event.type === "removed") this.#outputs.delete(effect.event.member);
        this.#tell(effect.event);
        break;
    }
  }

  #processOf({ id, start }: { id: number; start: number }): MemberProcess | undefined {
    const found = this.#processes.get(id);
    return found?.start === start ? found : undefined;
  }

  #spawn(id: number, start: number): void {
    const { outputBytes } = this.#settings;
    const output = this.#outputs.get(id) ?? {
      stdout: new OutputTail(outputBytes),
      stderr: new OutputTail(outputBytes),
    };
    this.#outputs.set(id, output);
    const started = new MemberProcess(id, start, this.#surroundings, output, {
      spawned: (pid, port) => this.#hear({ type: "spawned", id, start, pid, port }),
      ready: () => this.#hear({ type: "ready", id, start }),
      exited: (reason) => {
        if (this.#processes.get(id) === started) this.#processes.delete(id);
        this.#hear({ type: "exited", id, start, reason });
      },
    });
    this.#processes.set(id, started);
    this.#ending.add(started.over);
    void started.over.finally(() => this.#ending.delete(started.over));
  }

  async #check(id: number, start: number): Promise<void> {
    const isHealthy = (await this.#processOf({ id, start })?.check()) ?? false;
    this.#hear({ type: "checked", id, start, isHealthy });
  }

  #tell(change: FleetChange | { readonly type: "unguarded" }): void {
    const event = { ...change, atMs: performance.timeOrigin + performance.now() };
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (thrown) {
        // The listener's own fault, not the fleet's: the decision under way must be carried out.
        queueMicrotask(() => {
          throw thrown;
        });
      }
    }
  }

  #degradedError(id: number): MillraceError {
    const { stderr, stdout } = this.output(id);
    const lastWords = (stderr.trim() || stdout.trim()).slice(-500);
    return new MillraceError("LAUNCH_FAILED", {
      message: `member ${id} failed too often and was given up${lastWords === "" ? "" : `; its last words: ${lastWords}`}`,
      details: { member: id },
    });
  }
}

function stoppedError(): MillraceError {
  return new MillraceError("STOPPED", { message: "the fleet has been stopped" });
}

/**
 * Opens a fleet and begins to start its members.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 * @example
 * await using fleet = openFleet({ command: "./worker -workerId {id} -port {port}", size: 4 });
 * await fleet.allReady();
 */
export function openFleet(options: FleetOptions): Fleet {
  const fleet = new Fleet(options);
  fleet.scale(options.size);
  return fleet;
}
