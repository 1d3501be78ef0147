// The job types that faults happen to. Each tells the effect log when it starts and when it did what it is for.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type AnyJobType, type JobContext, type JobType, defineJob } from "millrace";
import { setTimeout as sleep } from "node:timers/promises";
import type { EffectLog } from "../harness/effect-log.ts";

/** What every job of these types carries: the producer's number, and how long its work takes. */
export interface ChaosInput {
  readonly number: number;
  readonly workMs?: number;
  /** For `misfit`: what its result is. */
  readonly result?: "circular" | "undefined" | "huge";
}

export type ChaosType = JobType<ChaosInput, ChaosInput>;

/** Kept for as long as any run takes, however many: the oracle reads every job's end. */
const KEPT = { age: "1d", count: 1_000_000 } as const;
const RETENTION = { succeeded: KEPT, failed: KEPT, cancelled: KEPT };

/** A schema that takes any value, and no absence of one. */
const anything: StandardSchemaV1 = {
  "~standard": {
    version: 1,
    vendor: "chaos",
    validate: (value) =>
      value === undefined ? { issues: [{ message: "there is no value" }] } : { value },
  },
};

/** Workers that a deadly job takes with it, alone: fewer than by default, because each costs a lease and a start. */
export const DEADLY_CRASHES = 3;
/** Far over the bound of any result. */
const HUGE_BYTES = 10 * 1_024 * 1_024;

/** The names of the types. */
export type ChaosTypeName = "work" | "deaf" | "block" | "deadly" | "misfit";
export type ChaosTypes = Readonly<Record<ChaosTypeName, ChaosType>>;

/** The types by name. Without a log a process can enqueue and follow them, and not run them. */
export function chaosJobs(log: EffectLog | null): ChaosTypes {
  const define = (
    name: ChaosTypeName,
    work: (context: Context) => unknown,
    more: { readonly output?: StandardSchemaV1; readonly maxCrashes?: number } = {},
  ): ChaosType =>
    defineJob({
      name,
      retention: RETENTION,
      ...more,
      ...(log === null ? {} : { run: (context) => tracked(log, context as Context, work) }),
    }) as ChaosType;
  return {
    /** Takes its time, and leaves when it is asked to. */
    work: define("work", async ({ input, signal }) => {
      if (input.workMs !== undefined) await sleep(input.workMs, undefined, { signal });
      return input.number;
    }),
    /** Takes its time and does not listen to its signal. Its result says which claim it ran under. */
    deaf: define("deaf", async ({ input, job }) => {
      await sleep(input.workMs);
      return job.token;
    }),
    /** Takes its time and hears nothing meanwhile: the loop it runs on stands still. */
    block: define("block", ({ input }) => {
      const cell = new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(cell, 0, 0, input.workMs);
      return input.number;
    }),
    /** Kills the process that runs it. */
    deadly: define(
      "deadly",
      async () => {
        process.kill(process.pid, "SIGKILL");
        await sleep(60_000);
      },
      { maxCrashes: DEADLY_CRASHES },
    ),
    /** Returns what can't be kept. Its type says that there is a result, so that none at all does not fit either. */
    misfit: define("misfit", ({ input }) => misfitOf(input), { output: anything }),
  };
}

/** The types as a list, for `openMillrace`. */
export function listTypes(types: ChaosTypes): readonly AnyJobType[] {
  return Object.values(types);
}

type Context = JobContext<ChaosInput>;

async function tracked(
  log: EffectLog,
  context: Context,
  work: (context: Context) => unknown,
): Promise<unknown> {
  const { input, job } = context;
  const mark = { id: job.id, number: input.number, attempt: job.attempt, token: job.token };
  log.effect({ kind: "start", ...mark });
  const result = await work(context);
  log.effect({ kind: "effect", ...mark });
  return result;
}

function misfitOf(input: ChaosInput): unknown {
  if (input.result === "huge") return "x".repeat(HUGE_BYTES);
  if (input.result === "undefined") return undefined;
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  return circle;
}
