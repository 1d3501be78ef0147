// One running program: its standard streams as lines, and one job at a time through it.
import { MillraceError } from "../../../core/errors.ts";
import { fatal, pushingBack, retryAfter, snooze } from "../../../core/outcomes.ts";
import { MAX_VALUE_BYTES } from "../../../core/limits.ts";
import {
  type Guardian,
  LineSplitter,
  type ProcessExit,
  type ProcessGroup,
  startGroup,
} from "../../../processes/index.ts";
import type { LaunchRequest } from "../launcher.ts";
import {
  EXIT,
  MAX_LINE_BYTES,
  type Said,
  cancelLine,
  isHello,
  isMistake,
  jobLine,
  readLine,
} from "./protocol.ts";

/** How a program is started. */
export interface ProgramStart {
  readonly argv: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly isWarm: boolean;
  readonly guardian: Guardian;
  /** Told when it has ended, with or without a job. */
  readonly onEnd: () => void;
}

/** The job that runs in a program. */
interface Current {
  readonly request: LaunchRequest;
  readonly settle: (outcome: Said | Error) => void;
}

/** A program that was started. It runs one job at a time; a warm one runs many. */
export class Program {
  readonly #start: ProgramStart;
  readonly #group: ProcessGroup;
  readonly #lines: LineSplitter;
  readonly #errorLines: LineSplitter;
  #current: Current | undefined;
  /** Whether it speaks the protocol: known from its first line. */
  #isSpeaking: boolean | undefined;
  #plain: string[] = [];
  #plainBytes = 0;
  #outcome: Said | undefined;
  #exit: ProcessExit | undefined;
  #isOver = false;

  constructor(start: ProgramStart) {
    this.#start = start;
    this.#lines = new LineSplitter(
      MAX_LINE_BYTES,
      (line) => {
        this.#hear(line);
      },
      () => {
        this.#fail(tooLong());
      },
    );
    this.#errorLines = new LineSplitter(MAX_LINE_BYTES, (line) => {
      this.#current?.request.log.info(line);
    });
    this.#group = startGroup({
      argv: start.argv,
      ...(start.cwd === undefined ? {} : { cwd: start.cwd }),
      env: { ...start.env, ...start.guardian.environment },
      hasInput: true,
      guardian: start.guardian,
      onOutput: (stream, chunk) => {
        (stream === "stdout" ? this.#lines : this.#errorLines).push(chunk);
      },
      onExit: (exit) => {
        this.#exit = exit;
      },
    });
    void this.#watchEnd();
  }

  get hasEnded(): boolean {
    return this.#exit !== undefined;
  }

  /** Runs one job. Rejects with what a handler would throw. */
  async run(request: LaunchRequest): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#plain = [];
    this.#plainBytes = 0;
    this.#outcome = undefined;
    this.#current = {
      request,
      settle: (outcome) => {
        this.#current = undefined;
        if (outcome instanceof Error) reject(outcome);
        else if (outcome.kind === "result") resolve(outcome.value);
        else reject(errorOf(outcome));
      },
    };
    const onAbort = (): void => {
      this.#askToEnd(request.signal.reason);
    };
    const onKill = (): void => {
      this.kill();
    };
    request.signal.addEventListener("abort", onAbort);
    request.kill.addEventListener("abort", onKill);
    try {
      this.#group.write(jobLine(request));
      // A plain program reads its input to the end; a warm one waits for further lines.
      if (!this.#start.isWarm) this.#group.endInput();
      if (request.signal.aborted) onAbort();
      if (request.kill.aborted) onKill();
      // A warm program may have ended between two jobs.
      if (this.#isOver) this.#end();
      return await promise;
    } finally {
      request.signal.removeEventListener("abort", onAbort);
      request.kill.removeEventListener("abort", onKill);
    }
  }

  /** Ends a warm program: its input ends, and it should too; it is killed when it does not. */
  async stop(withinMs: number): Promise<void> {
    this.#group.endInput();
    const timer = setTimeout(() => {
      this.kill();
    }, withinMs);
    await this.#group.gone;
    clearTimeout(timer);
  }

  kill(): void {
    this.#group.signal("SIGKILL");
  }

  async #watchEnd(): Promise<void> {
    await Promise.all([this.#group.gone, this.#group.outputEnded]);
    this.#end();
  }

  #askToEnd(reason: unknown): void {
    if (this.#start.isWarm) this.#group.write(cancelLine(reason));
    else this.#group.signal("SIGTERM");
  }

  #hear(line: string): void {
    if (this.#isSpeaking === undefined) {
      this.#isSpeaking = isHello(line);
      if (this.#isSpeaking) return;
    }
    if (this.#current === undefined) return;
    if (this.#isSpeaking) this.#hearProtocol(line, this.#current);
    else this.#hearPlain(line);
  }

  #hearPlain(line: string): void {
    this.#plainBytes += Buffer.byteLength(line) + 1;
    if (this.#plainBytes > MAX_VALUE_BYTES) {
      this.#fail(
        new MillraceError("TOO_LARGE", {
          message: `the program wrote more than ${MAX_VALUE_BYTES} bytes; put large data on a shared resource and write a reference to it`,
        }),
      );
      return;
    }
    this.#plain.push(line);
  }

  #hearProtocol(line: string, { request, settle }: Current): void {
    const said = readLine(line);
    if (isMistake(said)) {
      this.#fail(
        fatal(`the program broke the process protocol, section ${said.section}: ${said.problem}`),
      );
    } else if (said.kind === "progress") request.progress(said.value);
    else if (said.kind === "log") request.log[said.level](said.message, said.fields);
    else if (this.#outcome !== undefined) {
      this.#fail(
        fatal("the program broke the process protocol, section 3: it said twice how the job ended"),
      );
    } else if (this.#start.isWarm) settle(said);
    // A process for one job has its last word with its exit code.
    else this.#outcome = said;
  }

  #fail(error: Error): void {
    const current = this.#current;
    this.kill();
    current?.settle(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#lines.end();
    this.#errorLines.end();
    const exit = this.#exit ?? { code: null, signal: null };
    this.#current?.settle(this.#outcomeOf(exit));
    this.#start.onEnd();
  }

  #outcomeOf(exit: ProcessExit): Said | Error {
    if (exit.error !== undefined) {
      return new MillraceError("LAUNCH_FAILED", {
        message: `the program could not be started: ${exit.error.message}`,
        cause: exit.error,
      });
    }
    if (this.#outcome !== undefined && this.#outcome.kind !== "result") return this.#outcome;
    const how = exit.signal === null ? `exit code ${exit.code ?? "unknown"}` : exit.signal;
    if (exit.code === EXIT.fatal) return fatal(`the program ended with ${how}, which means fatal`);
    if (exit.code !== EXIT.ok) return new Error(`the program ended with ${how}`);
    if (this.#start.isWarm) return new Error("the program ended in the middle of a job");
    if (this.#outcome !== undefined) return this.#outcome;
    return { kind: "result", value: this.#isSpeaking === true ? null : plainValue(this.#plain) };
  }
}

function tooLong(): MillraceError {
  return new MillraceError("TOO_LARGE", {
    message: `the program wrote a line of more than ${MAX_LINE_BYTES} bytes`,
  });
}

/** A plain program's output: JSON where it is, text otherwise, `null` where there is none. */
function plainValue(lines: readonly string[]): unknown {
  const text = lines.join("\n").trim();
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function errorOf(said: Said): Error {
  if (said.kind === "snooze") return snooze(said.delayMs, pushingBack(said.pushBack));
  if (said.kind !== "error") return new Error("the program did not say how the job ended");
  if (said.isFatal) return fatal(said.message);
  return said.retryAfterMs === undefined
    ? new Error(said.message)
    : retryAfter(said.retryAfterMs, said.message, pushingBack(said.pushBack));
}
