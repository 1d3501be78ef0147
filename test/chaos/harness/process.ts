// Processes that faults happen to: started in a group of their own, spoken to over a channel, ended without mercy.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface ProgramOptions {
  /** A module under test/chaos/programs/. */
  readonly program: URL;
  /** Handed to the program as JSON. */
  readonly options: unknown;
  /** Where its output is kept, under its name. */
  readonly directory: string;
  readonly name: string;
  /** A command to run it under: `["strace", ...]`. */
  readonly under?: readonly string[];
}

/** What a program says: `kind` names it. The first one is `hello`, with the process's own id. */
export interface Message {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** How long a program may take to say hello: a cold start on a busy machine, several times over. */
const HELLO_WITHIN_MS = 30_000;

/** A program that runs, until it is killed or ends. */
export class Program implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | string>;
  readonly #heard: Message[] = [];
  readonly #listeners = new Set<(message: Message) => void>();
  #pid = 0;
  #asked = 0;

  private constructor({ program, options, directory, name, under = [] }: ProgramOptions) {
    this.name = name;
    const node = [process.execPath, "--conditions=millrace-source", fileURLToPath(program)];
    const [command, ...args] = [...under, ...node, JSON.stringify(options)];
    this.#child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
    });
    const output = createWriteStream(join(directory, `${name}.out`), { flags: "a" });
    this.#child.stdout?.pipe(output, { end: false });
    this.#child.stderr?.pipe(output, { end: false });
    this.#exited = this.#untilExit().finally(() => output.end());
    this.#child.once("exit", () => this.#killGroup());
    this.#child.on("message", (message) => {
      this.#heard.push(message as Message);
      for (const listener of this.#listeners) listener(message as Message);
    });
    // A channel that breaks because the process was killed is no news; a failed start shows in #untilExit.
    this.#child.on("error", () => {});
  }

  static async start(options: ProgramOptions): Promise<Program> {
    const program = new Program(options);
    const hello = await program.heard("hello", AbortSignal.timeout(HELLO_WITHIN_MS));
    program.#pid = hello["pid"] as number;
    return program;
  }

  /** The program's own process, also where it runs under another command. */
  get pid(): number {
    return this.#pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Exit code, or the name of the signal that ended it. */
  get exited(): Promise<number | string> {
    return this.#exited;
  }

  say(message: Message): void {
    this.#child.send(message, () => {});
  }

  /** The first message of a kind, said already or yet to be said. */
  async heard(kind: string, signal: AbortSignal): Promise<Message> {
    const said = this.#heard.find((message) => message.kind === kind);
    if (said !== undefined) return said;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const listener = (message: Message): void => {
      if (message.kind === kind) resolve(message);
    };
    const give = (): void => reject(new Error(`${this.name} did not say "${kind}" in time`));
    this.#listeners.add(listener);
    signal.addEventListener("abort", give, { once: true });
    const end = this.#exited.then((how): never => {
      throw new Error(`${this.name} ended with ${how} before it said "${kind}"`);
    });
    try {
      return await Promise.race([promise, end]);
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", give);
    }
  }

  /** Says something and waits for the answer to it. */
  async ask(message: Message, signal: AbortSignal): Promise<Message> {
    this.#asked += 1;
    const answer = `answer-${this.#asked}`;
    this.say({ ...message, answer });
    return this.heard(answer, signal);
  }

  async #untilExit(): Promise<number | string> {
    try {
      const [code, signal] = (await once(this.#child, "exit")) as [number | null, string | null];
      return code ?? signal ?? "no exit code";
    } catch (error) {
      return String(error);
    }
  }

  /** Sends a signal to the process itself, as a crash, an operator or a scheduler would. */
  signal(name: NodeJS.Signals): void {
    if (this.isRunning) process.kill(this.#pid, name);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#exited;
  }

  /** Ends the whole group, whatever it started. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.#killGroup();
    await this.#exited;
  }

  /** Only while the process runs or in the moment of its exit: later its number may be another group's. */
  #killGroup(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // Nobody of the group is left, which is what was wanted.
    }
  }
}
