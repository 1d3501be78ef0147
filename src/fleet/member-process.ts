// One start of one member: its port, its process group, its readiness.
import { setTimeout as sleep } from "node:timers/promises";
import {
  LineSplitter,
  fillCommand,
  findFreePort,
  isPortFree,
  startGroup,
} from "../processes/index.ts";
import type {
  Guardian,
  OutputTail,
  PlaceholderValues,
  ProcessExit,
  ProcessGroup,
} from "../processes/index.ts";

import type { FleetSettings } from "./options.ts";
import { probeOnce, waitUntilReady } from "./readiness.ts";

/** The last output of a member, over all its starts. */
export interface MemberOutput {
  readonly stdout: OutputTail;
  readonly stderr: OutputTail;
}

/** What a member's process tells its fleet. */
export interface ProcessEars {
  spawned(pid: number, port: number): void;
  ready(): void;
  exited(reason: string): void;
}

/** What the processes of one fleet share. */
export interface ProcessSurroundings {
  readonly settings: FleetSettings;
  readonly guardian: Guardian;
  /** Ports that members hold or are about to. */
  readonly takenPorts: Set<number>;
}

/** A line that says "ready" is short; a program that writes without line ends must not fill memory. */
const MAX_READY_LINE_BYTES = 8_192;
const PORT_POLL_MS = 20;

/** A member's process from before it is started until it has ended. */
export class MemberProcess {
  readonly start: number;
  readonly #id: number;
  readonly #surroundings: ProcessSurroundings;
  readonly #ears: ProcessEars;
  readonly #output: MemberOutput;
  readonly #abort = new AbortController();
  readonly #over: Promise<void>;
  #group: ProcessGroup | undefined;
  #values: PlaceholderValues = {};

  constructor(
    id: number,
    start: number,
    surroundings: ProcessSurroundings,
    output: MemberOutput,
    ears: ProcessEars,
  ) {
    this.#id = id;
    this.start = start;
    this.#surroundings = surroundings;
    this.#output = output;
    this.#ears = ears;
    this.#over = this.#live();
  }

  /** Resolves when the process and all it forked are gone. */
  get over(): Promise<void> {
    return this.#over;
  }

  /** Signals the whole group; a process that is not started yet will not be. */
  signal(signal: "SIGTERM" | "SIGKILL"): void {
    this.#abort.abort();
    this.#group?.signal(signal);
  }

  /** Looks whether it is healthy. */
  check(): Promise<boolean> {
    return probeOnce(this.#surroundings.settings.check, this.#values, this.#abort.signal);
  }

  async #live(): Promise<void> {
    const { takenPorts } = this.#surroundings;
    // Its fleet first has to know of it.
    await Promise.resolve();
    let port: number | undefined;
    try {
      port = await this.#takePort();
      this.#abort.signal.throwIfAborted();
      await this.#run(port);
    } catch (thrown) {
      const isEnded = this.#abort.signal.aborted;
      this.#ears.exited(isEnded ? "ended before it was started" : messageOf(thrown));
    } finally {
      this.#abort.abort();
      if (port !== undefined) takenPorts.delete(port);
    }
  }

  async #takePort(): Promise<number> {
    const { settings, takenPorts } = this.#surroundings;
    if (settings.firstPort === undefined) {
      const found = await findFreePort(takenPorts);
      takenPorts.add(found);
      return found;
    }
    const port = settings.firstPort + this.#id - 1;
    const { signal } = this.#abort;
    while (!(await isPortFree(port))) await sleep(PORT_POLL_MS, undefined, { signal });
    return port;
  }

  async #run(port: number): Promise<void> {
    const { settings, guardian } = this.#surroundings;
    this.#values = { id: this.#id, port, start: this.start };
    const lines = this.#readyLines();
    const { promise: exited, resolve: onExit } = Promise.withResolvers<ProcessExit>();
    const group = startGroup({
      argv: fillCommand(settings.command, this.#values),
      env: { ...settings.env, ...guardian.environment },
      ...(settings.cwd === undefined ? {} : { cwd: settings.cwd }),
      guardian,
      onOutput: (stream, chunk) => {
        this.#output[stream].append(chunk);
        lines?.[stream].push(chunk);
      },
      onExit,
    });
    this.#group = group;
    if (group.pid !== undefined) this.#ears.spawned(group.pid, port);
    if (group.pid !== undefined) void this.#awaitReady();
    const exit = await exited;
    this.#abort.abort();
    this.#ears.exited(describeExit(exit));
    await group.gone;
  }

  async #awaitReady(): Promise<void> {
    const { ready } = this.#surroundings.settings;
    if (typeof ready !== "string" && "line" in ready) return;
    try {
      if (ready !== "started") await waitUntilReady(ready, this.#values, this.#abort.signal);
      this.#abort.signal.throwIfAborted();
      this.#ears.ready();
    } catch {
      // Ended while it was waited for: its exit says so.
    }
  }

  #readyLines(): { readonly stdout: LineSplitter; readonly stderr: LineSplitter } | undefined {
    const { ready } = this.#surroundings.settings;
    if (typeof ready === "string" || !("line" in ready)) return undefined;
    const { line: wanted } = ready;
    let isReady = false;
    const look = (line: string): void => {
      if (isReady) return;
      isReady = typeof wanted === "string" ? line.includes(wanted) : line.search(wanted) !== -1;
      if (isReady) this.#ears.ready();
    };
    return {
      stdout: new LineSplitter(MAX_READY_LINE_BYTES, look),
      stderr: new LineSplitter(MAX_READY_LINE_BYTES, look),
    };
  }
}

function describeExit({ code, signal, error }: ProcessExit): string {
  if (error !== undefined) return `could not be started: ${error.message}`;
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
