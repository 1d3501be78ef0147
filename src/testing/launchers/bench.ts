// What a case about launchers works with: a Millrace in memory that runs the handler under test.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { type AnyJobType, type JobOptions, defineJob } from "../../core/define-job.ts";
import type { JobId } from "../../core/ids.ts";
import { LOG_LEVELS } from "../../core/job.ts";
import type { AttachWorker, Store, WorkerAttachment } from "../../core/store.ts";
import { openMillrace } from "../../millrace/index.ts";
import type { JobView, Logger, Millrace } from "../../runtime/index.ts";
import { openSqliteStore } from "../../stores/sqlite/index.ts";
import type { LauncherAct } from "./acts.ts";
import type { LauncherHarness, OpenedLauncher } from "./harness.ts";

/** Longest wait of a case: many times what a busy machine needs, as a wait ends when its condition holds. */
const PATIENCE_MS = 25_000;
const POLL_MS = 10;
/** A grace that no case waits out: a job that ends within it ended because it was asked to. */
export const LONG_GRACE_MS: number = 10 * PATIENCE_MS;
/** A grace that cases wait out. */
export const SHORT_GRACE_MS = 200;
/** What must never be shown. */
export const SECRET = "canary-4711-secret";
/** The case that launchers skip which can't pass on what a handler tells. */
export const TELLING_CASE = "passes on progress and log lines";

/** What a case says of its job type. */
type TypeOfCase = Pick<JobOptions<never, never>, "retry" | "timeout" | "grace">;

/** One statement about launchers. */
export interface LauncherCase {
  readonly name: string;
  readonly type?: TypeOfCase;
  run(bench: LauncherBench): Promise<void>;
}

/** What a case works with. */
export interface LauncherBench {
  readonly mill: Millrace;
  /** Whether progress and log lines come through. */
  readonly isTelling: boolean;
  /** Every line that was logged, as text. */
  readonly logged: readonly string[];
  readonly enqueue: (act: LauncherAct, value?: unknown) => Promise<JobId>;
  /** Runs an act and gives its job once it is neither ready nor running. */
  readonly run: (act: LauncherAct, value?: unknown) => Promise<JobView>;
  /** Enqueues an act and waits until its handler runs. */
  readonly begin: (act: LauncherAct, value?: unknown) => Promise<JobId>;
  /** Waits until a job is as it should be, and gives it. */
  readonly until: (id: JobId, what: string, isSo: (job: JobView) => boolean) => Promise<JobView>;
  /** Waits until no handler runs, where the harness can tell. */
  readonly untilNoneRuns: () => Promise<void>;
  /** Takes the leases of all workers away. */
  readonly withdrawLeases: () => Promise<void>;
}

/** Runs one case with a launcher of its own. */
export async function withLauncher(harness: LauncherHarness, given: LauncherCase): Promise<void> {
  const opened = await harness.open();
  const store = await openSqliteStore({ path: ":memory:", namespace: "conformance" });
  const leases = watchLeases(store);
  const logged: string[] = [];
  const type = defineJob({
    name: "conforming",
    redact: ["secret"],
    retry: { attempts: 1 },
    grace: LONG_GRACE_MS,
    ...given.type,
    ...(opened.handler as object),
  });
  try {
    const mill = await openMillrace({
      store: leases.store,
      jobs: [type],
      logger: loggerInto(logged),
      worker: { shutdownGrace: 0, concurrency: 50 },
      ...(opened.launchers === undefined ? {} : { launchers: opened.launchers }),
    });
    try {
      await opened.attend?.(mill);
      await mill.start();
      const isTelling = harness.skip?.[TELLING_CASE] === undefined;
      await given.run(createBench({ mill, type, opened, logged, isTelling, leases }));
    } finally {
      await mill.close();
    }
    await untilNone(opened);
  } finally {
    await opened.close?.();
    await store.close();
  }
}

interface BenchParts {
  readonly mill: Millrace;
  readonly type: AnyJobType;
  readonly opened: OpenedLauncher;
  readonly logged: readonly string[];
  readonly isTelling: boolean;
  readonly leases: ReturnType<typeof watchLeases>;
}

function createBench(parts: BenchParts): LauncherBench {
  const { mill, type, opened, logged, isTelling, leases } = parts;
  const enqueue: LauncherBench["enqueue"] = async (act, value = null) => {
    const { id } = await mill.enqueue(type, { act, value, secret: SECRET });
    return id;
  };
  const until: LauncherBench["until"] = (id, what, isSo) =>
    patiently(async () => {
      const job = await mill.job(id);
      assert.ok(job !== null, `job ${id} is not kept`);
      return isSo(job) ? { found: job } : { missing: `job ${what}; it is ${JSON.stringify(job)}` };
    });
  return {
    mill,
    isTelling,
    logged,
    enqueue,
    until,
    run: async (act, value) =>
      until(
        await enqueue(act, value),
        "ended its try",
        ({ state }) => state !== "ready" && state !== "running",
      ),
    begin: async (act, value) => {
      const id = await enqueue(act, value);
      await until(id, "runs", ({ state, progress }) =>
        isTelling ? progress !== null : state === "running",
      );
      return id;
    },
    untilNoneRuns: () => untilNone(opened),
    withdrawLeases: leases.withdraw,
  };
}

async function untilNone({ countRunning }: OpenedLauncher): Promise<void> {
  if (countRunning === undefined) return;
  await patiently(async () => {
    const running = await countRunning();
    return running === 0 ? { found: null } : { missing: `no handler runs; ${running} do` };
  });
}

async function patiently<Found>(
  look: () => Promise<{ readonly found: Found } | { readonly missing: string }>,
): Promise<Found> {
  const startedAtMs = performance.now();
  for (;;) {
    const seen = await look();
    if ("found" in seen) return seen.found;
    if (performance.now() - startedAtMs > PATIENCE_MS) {
      assert.fail(`waited ${PATIENCE_MS / 1_000} s until ${seen.missing}`);
    }
    await pause(POLL_MS);
  }
}

/** A store whose leases can be taken away from those that hold them. */
function watchLeases(store: Store): {
  readonly store: Store;
  readonly withdraw: () => Promise<void>;
} {
  const held: { attachment: WorkerAttachment; listener: AttachWorker["listener"] }[] = [];
  const attachWorker = async (request: AttachWorker): Promise<WorkerAttachment> => {
    const attachment = await store.attachWorker(request);
    held.push({ attachment, listener: request.listener });
    return attachment;
  };
  const watched = new Proxy(store, {
    get: (target, name) => {
      if (name === "attachWorker") return attachWorker;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  return {
    store: watched,
    withdraw: async () => {
      for (const { attachment, listener } of held.splice(0)) {
        await attachment.close();
        listener.lost("withdrawn by the suite");
      }
    },
  };
}

function loggerInto(lines: string[]): Logger {
  const write = (fields: object, message?: string): void => {
    lines.push(`${message ?? ""} ${JSON.stringify(fields)}`);
  };
  return Object.fromEntries(LOG_LEVELS.map((level) => [level, write])) as unknown as Logger;
}
