// A child process in a process group of its own, so that whatever it forks can be ended with it.
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Readable, Writable } from "node:stream";
import type { Guardian } from "./guardian.ts";
import { measureGroups } from "./resource-use.ts";

/** What to start and who is told of it. */
export interface GroupOptions {
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Gives the process a standard input that `write` feeds; without it, it has none. */
  readonly hasInput?: boolean;
  /** Ends the group if this process dies without a word. */
  readonly guardian: Guardian;
  readonly onOutput: (stream: "stdout" | "stderr", chunk: Buffer) => void;
  /** Called once, when the process that was started has ended or could not be started. */
  readonly onExit: (exit: ProcessExit) => void;
}

/** How a process ended. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started at all. */
  readonly error?: Error;
}

/** A started group. */
export interface ProcessGroup {
  /** Id of the process and of its group; undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Writes to the standard input; what an ended process no longer reads is dropped. */
  write(text: string): void;
  /** Closes the standard input. */
  endInput(): void;
  /** Sends a signal to every process of the group; false when there is none left. */
  signal(signal: NodeJS.Signals): boolean;
  /** Resolves when the process has ended and none of its group is left. */
  readonly gone: Promise<void>;
  /** Resolves when all of its output has been handed over; shortly after the process has ended at the latest. */
  readonly outputEnded: Promise<void>;
}

/** A killed process leaves its group in milliseconds; one that a dead device holds may never. */
const GROUP_GONE_WITHIN_MS = 2_000;
const GROUP_POLL_MS = 5;
/** Looks by signal, which cost nothing, before looks at the processes, which know the dead from the living. */
const CHEAP_LOOKS = 4;
/** Time between two looks whether anything more comes out of the pipe of a process that has ended. */
const OUTPUT_LOOK_MS = 50;
/** Looks at a pipe that a stranger holds open and goes on writing to. */
const MAX_OUTPUT_LOOKS = 40;

type PipedChild = ChildProcessByStdio<Writable | null, Readable, Readable>;

/** Starts a program without any shell, as the leader of a new process group. */
export function startGroup(options: GroupOptions): ProcessGroup {
  const child = spawnPiped(options);
  if (child instanceof Error || child.pid === undefined) {
    const error = child instanceof Error ? child : undefined;
    const gone = tellFailedStart(child, error, options);
    return {
      pid: undefined,
      write: () => {},
      endInput: () => {},
      signal: () => false,
      gone,
      outputEnded: gone,
    };
  }
  const { pid } = child;
  options.guardian.watch(pid);
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (chunk: Buffer) => options.onOutput(stream, chunk));
    child[stream].on("error", () => child[stream].destroy());
  }
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      // At once: while any process of the group lives its id can't be given to another group.
      signalGroup(pid, "SIGKILL");
      closeOutput(child);
      options.onExit({ code, signal });
      resolve();
    });
  });
  const gone = endOfGroup(exited, pid, options.guardian);
  const outputEnded = new Promise<void>((resolve) => child.once("close", () => resolve()));
  // A program that ends, or closes its input, before it has read all of it: its exit code tells what that means.
  child.stdin?.on("error", () => {});
  return {
    pid,
    write: (text) => {
      if (child.stdin?.writable === true) child.stdin.write(text);
    },
    endInput: () => child.stdin?.end(),
    signal: (signal) => signalGroup(pid, signal),
    gone,
    outputEnded,
  };
}

function spawnPiped({ argv, cwd, env, hasInput }: GroupOptions): PipedChild | Error {
  const [program = "", ...words] = argv;
  try {
    return spawn(program, words, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...env },
      detached: true,
      shell: false,
      stdio: [hasInput === true ? "pipe" : "ignore", "pipe", "pipe"],
    }) as PipedChild;
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}

async function tellFailedStart(
  child: PipedChild | Error,
  known: Error | undefined,
  options: GroupOptions,
): Promise<void> {
  const error =
    known ??
    (await new Promise<Error>((resolve) => {
      if (!(child instanceof Error)) child.once("error", resolve);
    }));
  // Never before the caller has the group in hand.
  await Promise.resolve();
  options.onExit({ code: null, signal: null, error });
}

/**
 * Ends the output of a process that has ended, although a child that left its group may hold the pipe open. What the
 * process wrote is in the pipe, and is read first: not for a time, which a busy loop may spend without reading at all
 * (results were lost that way), but until the loop has looked at the pipe and found nothing. Between two timers of which
 * one starts the other it always looks.
 */
function closeOutput(child: PipedChild): void {
  let hasHeard = true;
  let looks = 0;
  let timer: NodeJS.Timeout;
  const onData = (): void => {
    hasHeard = true;
  };
  const look = (): void => {
    looks += 1;
    if (hasHeard && looks < MAX_OUTPUT_LOOKS) {
      hasHeard = false;
      timer = setTimeout(look, OUTPUT_LOOK_MS);
      return;
    }
    child.stdout.destroy();
    child.stderr.destroy();
  };
  child.stdout.on("data", onData);
  child.stderr.on("data", onData);
  timer = setTimeout(look, OUTPUT_LOOK_MS);
  child.once("close", () => clearTimeout(timer));
}

async function endOfGroup(exited: Promise<void>, pgid: number, guardian: Guardian): Promise<void> {
  await exited;
  const deadline = performance.now() + GROUP_GONE_WITHIN_MS;
  for (let look = 0; isGroupAlive(pgid) && performance.now() < deadline; look++) {
    signalGroup(pgid, "SIGKILL");
    await sleep(GROUP_POLL_MS);
    // A forked child that its new parent does not reap stays in the group, dead, for seconds.
    if (look >= CHEAP_LOOKS && !(await measureGroups(new Set([pgid]))).has(pgid)) break;
  }
  guardian.release(pgid);
}

function signalGroup(pgid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pgid, signal);
    return true;
  } catch (thrown) {
    // EPERM: the group lives, but is another user's (a set-user-id program).
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether any process of a group is left, a dead one that nobody has reaped included. */
function isGroupAlive(pgid: number): boolean {
  return signalGroup(pgid, 0);
}
