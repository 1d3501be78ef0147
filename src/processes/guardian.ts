// The guardian: a small process that ends what this one started when this one dies without a word.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";

/**
 * Environment variable that marks every process under a guardian, and so all that they fork. Its
 * value is the guardian's own. A process group says who is to be killed in the usual case; the mark
 * finds the rest: a child whose group was not told yet, and one that left its group.
 */
const GUARDIAN_MARK = "MILLRACE_GUARDIAN";

const program = fileURLToPath(
  new URL(`./guardian-main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
);

/** How long `stop` waits for the guardian's last look before it goes on without. */
const STOP_WITHIN_MS = 3_000;
/** A guardian that dies is started again, but not for ever: something on the machine is against it. */
const MAX_RESTARTS = 10;

/**
 * Holds a pipe to the guardian process. When this process ends, in whatever way, the pipe closes and
 * the guardian kills every group that it watches and every process that carries its mark.
 *
 * A kill -9 between a start and `watch` leaves nothing behind either: the new process inherits the
 * pipe's end until it runs its program, and from then on it carries the mark.
 */
export class Guardian {
  readonly mark: string = randomUUID();
  readonly #onLost: () => void;
  readonly #groups = new Set<number>();
  #child: ChildProcess | undefined;
  #restarts = 0;
  #stopped: Promise<void> | undefined;

  /** @param onLost told when the guardian can't be kept running: from then on a kill -9 leaves orphans */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
    this.#start();
  }

  /** Id of the guardian process while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The environment entry that processes under guard are started with. */
  get environment(): Readonly<Record<string, string>> {
    return { [GUARDIAN_MARK]: this.mark };
  }

  /** Puts a process group under guard. */
  watch(pgid: number): void {
    this.#groups.add(pgid);
    this.#tell(`+${pgid}\n`);
  }

  /** A group that has ended: its id may be another's soon. */
  release(pgid: number): void {
    if (this.#groups.delete(pgid)) this.#tell(`-${pgid}\n`);
  }

  /** Ends what is left under guard, then the guardian itself. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  #start(): void {
    const env = { ...process.env };
    // A guardian within a fleet must outlive its own supervisor's end to do its work.
    delete env[GUARDIAN_MARK];
    delete env["NODE_OPTIONS"];
    const child = spawn(process.execPath, [program, `${GUARDIAN_MARK}=${this.mark}`], {
      cwd: "/",
      env,
      // A group of its own: Ctrl-C in a terminal, or the end of this group, must not reach it.
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#child = child;
    child.stdin.on("error", () => child.stdin.destroy());
    child.on("error", () => this.#replace(child));
    child.on("exit", () => this.#replace(child));
    child.unref();
    (child.stdin as Socket).unref();
    for (const pgid of this.#groups) this.#tell(`+${pgid}\n`);
  }

  #replace(ended: ChildProcess): void {
    if (this.#stopped !== undefined || this.#child !== ended) return;
    this.#child = undefined;
    if (this.#restarts++ < MAX_RESTARTS) this.#start();
    else this.#onLost();
  }

  #tell(line: string): void {
    if (this.#child?.stdin?.writable === true) this.#child.stdin.write(line);
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const signal = AbortSignal.timeout(STOP_WITHIN_MS);
    const exited = once(child, "exit", { signal }).catch(() => child.kill("SIGKILL"));
    child.stdin?.end();
    await exited;
  }
}
