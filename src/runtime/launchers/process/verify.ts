// Checks a program against the process protocol: runs it as the launcher would, and notes all that it gets wrong.
import {
  type Guardian,
  LineSplitter,
  type ProcessExit,
  startGroup,
} from "../../../processes/index.ts";
import {
  EXIT,
  MAX_LINE_BYTES,
  type Mistake,
  type Said,
  cancelLine,
  isHello,
  isMistake,
  readLine,
} from "./protocol.ts";

/** What is checked. */
export interface VerifyOptions {
  readonly argv: readonly string[];
  /** JSON text of the input that its jobs get. */
  readonly inputText: string;
  /** Checks a program that is kept for many jobs. */
  readonly isWarm: boolean;
  /** Time for one job, or one end, before it counts as a mistake. */
  readonly timeoutMs: number;
  readonly guardian: Guardian;
}

/** What was found. */
export interface Verdict {
  readonly mistakes: readonly Mistake[];
  /** What the program said in answer to its first job, for the reader. */
  readonly said: readonly Said[];
  readonly exit: ProcessExit | undefined;
}

/** Runs the program's checks: one job (two where it is warm), then an end that was asked for. */
export async function verifyProgram(options: VerifyOptions): Promise<Verdict> {
  const first = new Trial(options);
  const exit = await (options.isWarm ? tryWarm(first, options) : tryCold(first));
  const mistakes = [...first.mistakes];
  if (exit?.error === undefined) mistakes.push(...(await tryEnd(options)));
  return { mistakes: unique(mistakes), said: first.said, exit };
}

async function tryCold(trial: Trial): Promise<ProcessExit | undefined> {
  trial.giveJob(1);
  trial.endInput();
  const exit = await trial.ended();
  if (exit === undefined) trial.note("4", "it did not end although its input had ended");
  else if (exit.error !== undefined)
    trial.note("1", `it could not be started: ${exit.error.message}`);
  else checkExit(trial, exit);
  if (!trial.hasHello)
    trial.note("2", 'its first line is not {"millrace":1}: it is taken for a plain program');
  return exit;
}

function checkExit(trial: Trial, exit: ProcessExit): void {
  const said = trial.outcomes[0];
  const how = exit.signal ?? `exit code ${exit.code ?? "unknown"}`;
  if (said?.kind === "result" && exit.code !== EXIT.ok) {
    trial.note(
      "4",
      `it said a result and ended with ${how}: the result counts only with exit code 0`,
    );
  }
  const isSilent = said === undefined && trial.mistakes.length === 0;
  if (trial.hasHello && isSilent && exit.code === EXIT.ok) {
    trial.note("3.3", "it ended with exit code 0 and never said how its job ended");
  }
}

async function tryWarm(
  trial: Trial,
  { timeoutMs }: VerifyOptions,
): Promise<ProcessExit | undefined> {
  for (const number of [1, 2]) {
    trial.giveJob(number);
    const isAnswered = await trial.answered(number);
    if (!trial.hasHello) trial.note("2", 'its first line is not {"millrace":1}');
    if (!isAnswered) {
      trial.note(
        number === 1 ? "3" : "5",
        `it did not say within ${timeoutMs} ms how job ${number} ended${number === 1 ? " (is its output flushed?)" : ": a warm program reads the next line"}`,
      );
      break;
    }
  }
  trial.endInput();
  const exit = await trial.ended();
  if (exit === undefined) trial.note("5", "it did not end when its input ended");
  return exit;
}

/** Asks for an end in the middle of a job: by SIGTERM, or by a line where the program is warm. */
async function tryEnd(options: VerifyOptions): Promise<readonly Mistake[]> {
  const trial = new Trial(options);
  trial.giveJob(1);
  if (!options.isWarm) trial.endInput();
  await trial.heardSomething();
  if (options.isWarm) trial.askToCancel();
  else trial.terminate();
  const isDone = options.isWarm ? await trial.answered(1) : (await trial.ended()) !== undefined;
  if (!isDone) {
    trial.note(
      options.isWarm ? "5" : "4",
      `it did not end its job within ${options.timeoutMs} ms of being asked to, and would be killed`,
    );
  }
  await trial.kill();
  // What it said wrong was noted in its first run.
  return trial.endMistakes;
}

/** One run of the program. */
class Trial {
  readonly mistakes: Mistake[] = [];
  readonly endMistakes: Mistake[] = [];
  readonly said: Said[] = [];
  hasHello = false;
  readonly #options: VerifyOptions;
  readonly #group: ReturnType<typeof startGroup>;
  readonly #lines: LineSplitter;
  #lineCount = 0;
  #exit: ProcessExit | undefined;
  #isOver = false;
  #waiting: (() => void)[] = [];

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#lines = new LineSplitter(MAX_LINE_BYTES, (line) => {
      this.#hear(line);
    });
    this.#group = startGroup({
      argv: options.argv,
      env: { ...usualEnv(), ...options.guardian.environment },
      hasInput: true,
      guardian: options.guardian,
      onOutput: (stream, chunk) => {
        if (stream === "stdout") this.#lines.push(chunk);
      },
      onExit: (exit) => {
        this.#exit = exit;
      },
    });
    void this.#watchEnd();
  }

  get outcomes(): readonly Said[] {
    return this.said.filter(
      ({ kind }) => kind === "result" || kind === "error" || kind === "snooze",
    );
  }

  note(section: string, problem: string): void {
    this.mistakes.push({ section, problem });
    this.endMistakes.push({ section, problem });
  }

  giveJob(number: number): void {
    const id = `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;
    const head = JSON.stringify({
      kind: "job",
      id,
      type: "verify",
      queue: "verify",
      attempt: 1,
      attempts: 1,
      token: `verify.${number}`,
      tags: [],
      enqueuedAt: new Date().toISOString(),
      timeoutMs: this.#options.timeoutMs,
    });
    this.#group.write(`${head.slice(0, -1)},"input":${this.#options.inputText}}\n`);
  }

  endInput(): void {
    this.#group.endInput();
  }

  askToCancel(): void {
    this.#group.write(cancelLine({ code: "JOB_CANCELLED", message: "verify asks for an end" }));
  }

  terminate(): void {
    this.#group.signal("SIGTERM");
  }

  async kill(): Promise<void> {
    this.#group.signal("SIGKILL");
    await this.#group.gone;
  }

  /** Waits for its end; kills it and gives nothing when that takes too long. */
  async ended(): Promise<ProcessExit | undefined> {
    await this.#until(() => this.#exit !== undefined && this.#isOver);
    if (this.#isOver) return this.#exit;
    await this.kill();
    return undefined;
  }

  /** Waits until it has said how so many jobs ended. */
  async answered(jobs: number): Promise<boolean> {
    await this.#until(() => this.outcomes.length >= jobs || this.#isOver);
    return this.outcomes.length >= jobs;
  }

  async heardSomething(): Promise<void> {
    await this.#until(() => this.#lineCount > 0 || this.#isOver);
  }

  async #watchEnd(): Promise<void> {
    await Promise.all([this.#group.gone, this.#group.outputEnded]);
    this.#lines.end();
    if (this.#lines.tooLongCount > 0) {
      this.note(
        "3",
        `${this.#lines.tooLongCount} of its lines are longer than ${MAX_LINE_BYTES} bytes`,
      );
    }
    this.#isOver = true;
    this.#tell();
  }

  #hear(line: string): void {
    this.#lineCount += 1;
    if (this.#lineCount === 1 && isHello(line)) this.hasHello = true;
    else this.#judge(line);
    this.#tell();
  }

  #judge(line: string): void {
    const read = readLine(line);
    if (isMistake(read)) {
      this.mistakes.push({
        section: read.section,
        problem: `line ${this.#lineCount}: ${read.problem}`,
      });
      return;
    }
    this.said.push(read);
    if (!this.#options.isWarm && this.outcomes.length === 2) {
      this.note("3", `line ${this.#lineCount}: it said a second time how its job ended`);
    }
  }

  #tell(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #until(isSo: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + this.#options.timeoutMs;
    while (!isSo() && performance.now() < deadlineMs) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs - performance.now());
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

function usualEnv(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
}

function unique(mistakes: readonly Mistake[]): readonly Mistake[] {
  const seen = new Set<string>();
  return mistakes.filter(({ section, problem }) => {
    const key = `${section} ${problem}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
