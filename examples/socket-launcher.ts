// A launcher of one's own: jobs go to a program that listens on a socket, a model server say, one connection for each.
// It speaks JSON lines: the job one way; progress, log lines and the end the other, in the words of the process protocol.
import { connect } from "node:net";
import { createInterface } from "node:readline";
import {
  type LaunchRequest,
  type Launcher,
  MAX_VALUE_BYTES,
  MillraceError,
  fatal,
  retryAfter,
  snooze,
} from "millrace";

/** `launch.options` of a job type that runs over a socket. */
interface SocketOptions {
  /** Path of the Unix socket. */
  readonly path: string;
}

/** Makes the launcher `socket`: pass it to `openMillrace({ launchers: [...] })`, or to `launchers` in the config. */
export function createSocketLauncher(): Launcher {
  return {
    name: "socket",
    // It only talks to a program that runs already, so that types of it may be registered like those of `http`.
    startsPrograms: false,
    check: (options, type) => {
      if (typeof (options as Partial<SocketOptions> | undefined)?.path === "string") return;
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `job type ${type} has no launch.options.path; expected the path of a socket`,
      });
    },
    launch: (request) => new Promise((resolve, reject) => talk(request, resolve, reject)),
  };
}

function talk(
  request: LaunchRequest,
  resolve: (output: unknown) => void,
  reject: (error: Error) => void,
): void {
  const { job, inputText, signal, kill } = request;
  const socket = connect((request.options as SocketOptions).path);
  const say = (line: string): void => {
    if (socket.writable) socket.write(`${line}\n`);
  };
  const ask = (): void => say(JSON.stringify({ kind: "cancel" }));
  // The server sees the connection end, and ends what runs for it.
  const end = (): void => void socket.destroy();
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
    // Whatever it sends: a launcher bounds what it reads, for the value comes too late to be measured.
    if (received > 2 * MAX_VALUE_BYTES) {
      reject(new MillraceError("TOO_LARGE", { message: "the server sent more than a job may" }));
      end();
    }
  });
  socket.on("error", reject);
  // Settled long before where the server said how the job ended.
  socket.on("close", () => {
    signal.removeEventListener("abort", ask);
    kill.removeEventListener("abort", end);
    reject(new Error("the server ended the connection in the middle of the job"));
  });
  createInterface({ input: socket })
    .on("line", (line) => {
      const ended = hear(line, request);
      if (ended === undefined) return;
      if ("output" in ended) resolve(ended.output);
      else reject(ended.error);
      socket.end();
    })
    // It repeats the socket's errors, which are told above.
    .on("error", () => {});
  signal.addEventListener("abort", ask);
  kill.addEventListener("abort", end);
  say(`${JSON.stringify({ kind: "job", ...job }).slice(0, -1)},"input":${inputText}}`);
  if (signal.aborted) ask();
  if (kill.aborted) end();
}

type Ended = { readonly output: unknown } | { readonly error: Error };

/** Passes on what the server says; gives how the job ended, if it did. */
function hear(line: string, { progress, log }: LaunchRequest): Ended | undefined {
  const said = parse(line);
  switch (said.kind) {
    case "progress":
      progress(said.value);
      return undefined;
    case "log":
      log.info(String(said.message), said.fields);
      return undefined;
    case "result":
      return { output: said.value };
    case "snooze":
      return { error: snooze(said.delayMs ?? 0) };
    case "error":
      if (said.fatal === true) return { error: fatal(String(said.message)) };
      if (said.retryAfterMs === undefined) return { error: new Error(String(said.message)) };
      return { error: retryAfter(said.retryAfterMs, String(said.message)) };
    case undefined:
    default:
      return { error: fatal(`the server said ${line}, which is not in the protocol`) };
  }
}

/** The fields that a line may have. */
interface Said {
  readonly kind?: string;
  readonly value?: unknown;
  readonly message?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly fatal?: boolean;
  readonly retryAfterMs?: number;
  readonly delayMs?: number;
}

function parse(line: string): Said {
  try {
    return JSON.parse(line) as Said;
  } catch {
    return {};
  }
}
