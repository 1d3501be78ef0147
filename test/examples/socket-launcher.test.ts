// The example of a launcher of one's own passes the suite that Millrace's launchers pass.
import { type Server, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { FatalError, LOG_LEVELS, RetryAfterError, SnoozeError } from "millrace";
import type { JobContext, JobLog } from "millrace";
import { type LauncherActInput, describeLauncher, performLauncherAct } from "millrace/testing";
import { describe, test } from "vitest";
import { createSocketLauncher } from "../../examples/socket-launcher.ts";
import { scratch } from "../cli/command-line.ts";

type Context = JobContext<LauncherActInput>;

/** The program behind the socket: does the jobs that come over its connections. */
function createJobServer(count: (change: 1 | -1) => void): Server {
  return createServer((socket) => {
    const asked = new AbortController();
    count(1);
    socket.on("close", () => count(-1)).on("error", () => {});
    createInterface({ input: socket })
      .on("line", (line) => {
        const message = JSON.parse(line) as { kind: string } & Context["job"] & Context;
        if (message.kind === "cancel") asked.abort(new Error("asked to end"));
        else void perform(message, socket, asked.signal);
      })
      .on("error", () => {});
  });
}

async function perform(
  { input, ...job }: Context["job"] & Pick<Context, "input">,
  socket: Socket,
  signal: AbortSignal,
): Promise<void> {
  const say = (line: object): void => {
    if (socket.writable) socket.write(`${JSON.stringify(line)}\n`);
  };
  const levels = LOG_LEVELS.map((level) => [
    level,
    (message: string) => say({ kind: "log", level, message }),
  ]);
  const log = Object.fromEntries(levels) as JobLog;
  const progress = (value: unknown): void => say({ kind: "progress", value });
  try {
    say({
      kind: "result",
      value: await performLauncherAct({ input, job, signal, log, progress }),
    });
  } catch (error) {
    say(outcomeOf(error));
  }
}

function outcomeOf(error: unknown): object {
  if (error instanceof SnoozeError) return { kind: "snooze", delayMs: error.delayMs };
  const message = error instanceof Error ? error.message : "ended";
  if (error instanceof FatalError) return { kind: "error", message, fatal: true };
  if (!(error instanceof RetryAfterError)) return { kind: "error", message };
  return { kind: "error", message, retryAfterMs: error.delayMs };
}

describeLauncher(
  "the example over a socket",
  {
    open: async () => {
      const directory = await scratch();
      const path = join(directory.path, "jobs.sock");
      let running = 0;
      const server = createJobServer((change) => (running += change));
      await new Promise<void>((resolve) => server.listen(path, resolve));
      return {
        launchers: [createSocketLauncher()],
        handler: { launch: { launcher: "socket", options: { path } } },
        countRunning: () => running,
        close: async () => {
          await new Promise((resolve) => server.close(resolve));
          await directory[Symbol.asyncDispose]();
        },
      };
    },
  },
  { describe, test },
);
