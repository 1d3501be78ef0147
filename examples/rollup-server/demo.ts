// `npm run demo:rollup`: the server and `millrace rollup` side by side, with faults on, and a verdict at the end.
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Verdict } from "./ledger.ts";

/** The length of a window; `--every-ms` makes the demo shorter or longer. */
const { values } = parseArgs({ options: { "every-ms": { type: "string", default: "2000" } } });
const EVERY_MS = Number(values["every-ms"]);
/** Windows with traffic: the connection is cut in the middle of the second and of the fourth. */
const WINDOWS = 5;
const CUT_IN_WINDOWS: ReadonlySet<number> = new Set([2, 4]);
const DOWN_FOR_MS = 100;
const SERVER_SWITCHES = {
  port: 0,
  rate: 20_000,
  parents: 30,
  children: 600,
  "update-every-ms": 500,
  late: 0.1,
  "moves-per-update": 5,
  malformed: 0.01,
  unusual: 0.02,
};

/** A line of `millrace rollup --json`, as far as the demo reads it. */
interface Notice {
  readonly kind: string;
  readonly sequence?: number;
  readonly fate?: string;
  readonly messages?: number;
  readonly pairs?: number;
  readonly connection?: number;
  readonly received?: number;
  readonly gapMs?: number;
}

function local(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** Prints what the client says, and waits for one thing it can say. */
class Client {
  readonly process: ChildProcess;
  readonly notices: Notice[] = [];
  readonly ended: Promise<unknown>;
  #changed = Promise.withResolvers<void>();

  constructor(url: string, onNotice: (notice: Notice) => void) {
    const cli = local("../../src/cli/main.ts");
    const args = ["--conditions=millrace-source", cli, "rollup", url, "--json"];
    this.process = spawn(process.execPath, [...args, "--every", `${EVERY_MS}ms`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.ended = once(this.process, "exit");
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      const notice = JSON.parse(line) as Notice;
      this.notices.push(notice);
      onNotice(notice);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  /** Waits until the notices say so; false when the client ended or `deadlineMs` passed before. */
  async said(what: (notices: readonly Notice[]) => boolean, deadlineMs = 30_000): Promise<boolean> {
    const deadline = sleep(deadlineMs, "late", { ref: false });
    while (!what(this.notices)) {
      const next = await Promise.race([this.#changed.promise, this.ended, deadline]);
      if (next !== undefined) return what(this.notices);
    }
    return true;
  }
}

function tell(notice: Notice): void {
  if (notice.kind === "window") {
    console.log(
      `client: window ${notice.sequence}: ${notice.messages} messages, ${notice.pairs} pairs`,
    );
  } else if (notice.kind === "report") {
    console.log(`client: report ${notice.sequence} ${notice.fate}`);
  } else if (notice.kind === "connected") {
    console.log(
      `client: connected (${notice.connection}), nothing received for ${Math.round(notice.gapMs ?? 0)} ms before`,
    );
  } else if (notice.kind === "disconnected" && (notice.connection ?? 0) > 0) {
    console.log(`client: disconnected after ${notice.received} frames`);
  }
}

function windows(notices: readonly Notice[]): number {
  return notices.filter((notice) => notice.kind === "window").length;
}

async function run(): Promise<boolean> {
  const switches = Object.entries(SERVER_SWITCHES).map(([name, value]) => `--${name}=${value}`);
  const server = fork(local("./main.ts"), switches);
  const [{ url }] = (await once(server, "message")) as [{ readonly url: string }];
  const client = new Client(url, (notice) => {
    tell(notice);
    if (notice.kind === "disconnected" && (notice.connection ?? 0) > 0) {
      server.send({ do: "declare", connection: notice.connection, received: notice.received });
    }
  });
  for (let window = 1; window <= WINDOWS; window += 1) {
    if (CUT_IN_WINDOWS.has(window)) {
      // Reports go out at the ends of windows; a cut in the middle does not leave one unconfirmed.
      await sleep(EVERY_MS / 2);
      server.send({ do: "cut", downForMs: DOWN_FOR_MS });
    }
    await client.said((notices) => windows(notices) >= window);
  }
  server.send({ do: "quieten" });
  // One more whole window: after it everything that was sent has been received and counted.
  const before = windows(client.notices);
  await client.said((notices) => windows(notices) > before + 1);
  client.process.kill("SIGTERM");
  await client.ended;
  const verdict = once(server, "message") as Promise<
    [{ readonly verdict: Omit<Verdict, "totals"> }]
  >;
  server.send({ do: "stop" });
  const [{ verdict: found }] = await verdict;
  const complete = found.reported === found.sent && found.exact === found.reports;
  console.log(
    found.mistakes.length === 0 && complete
      ? `CORRECT: ${found.reports} reports with ${found.reported} messages, every one of them as the server counted it`
      : "INCORRECT: see above",
  );
  return found.mistakes.length === 0 && complete;
}

process.exitCode = (await run()) ? 0 : 1;
