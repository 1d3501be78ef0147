// What the log is told of runs.
import { expect, test, vi } from "vitest";
import { type AnyJobType, defineJob } from "../core/define-job.ts";
import { type Logger, type Millrace, silentLogger } from "../runtime/index.ts";
import { defineWorkflow } from "./index.ts";
import { PATIENCE, working } from "./workflows.fixture.ts";

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

async function saying(lines: Line[], ...jobs: readonly AnyJobType[]): Promise<Millrace> {
  const keep =
    (level: string): Logger["info"] =>
    (fields, message) => {
      lines.push({ level, message, fields: { ...fields } });
    };
  const logger = {
    ...silentLogger,
    info: keep("info"),
    warn: keep("warn"),
    error: keep("error"),
    isLevelEnabled: (level: string) => level !== "debug",
  };
  return working(jobs, logger);
}

function linesOf(lines: readonly Line[], id: string): readonly Line[] {
  return lines.filter(({ fields }) => fields["jobId"] === id);
}

const add = defineJob({ name: "add", run: ({ input }) => (input as number) + 1 });

test("a run's begin and end are logged, with its id, type, attempt and duration", async () => {
  const lines: Line[] = [];
  const sum = defineWorkflow({ name: "sum", run: ({ step }) => step.job(add, 1) });
  const mill = await saying(lines, add, sum);
  const receipt = await mill.enqueue(sum, null);
  expect(await receipt.result(PATIENCE)).toBe(2);
  await vi.waitFor(() => expect(linesOf(lines, receipt.id)).toHaveLength(2));
  const [begun, ended] = linesOf(lines, receipt.id);
  const about = { jobId: receipt.id, type: "sum", queue: "sum", attempt: 1 };
  expect(begun).toMatchObject({ level: "info", message: "job started", fields: about });
  expect(ended).toMatchObject({ level: "info", message: "job succeeded", fields: about });
  expect(ended?.fields["durationMs"]).toEqual(expect.any(Number));
  expect(ended?.fields["worker"]).toEqual(expect.any(String));
});

test("a run that fails says with what, and its secrets are masked", async () => {
  const lines: Line[] = [];
  const failing = defineWorkflow({
    name: "failing",
    redact: ["secret"],
    run: ({ input }) => {
      throw new Error(`no luck with ${(input as { secret: string }).secret}`);
    },
  });
  const mill = await saying(lines, failing);
  const receipt = await mill.enqueue(failing, { secret: "swordfish" });
  await expect(receipt.result(PATIENCE)).rejects.toMatchObject({ code: "JOB_FAILED" });
  await vi.waitFor(() => expect(linesOf(lines, receipt.id)).toHaveLength(2));
  const [, ended] = linesOf(lines, receipt.id);
  expect(ended).toMatchObject({ level: "error", message: "job failed" });
  expect(JSON.stringify(ended?.fields["error"])).toContain("no luck with");
  expect(JSON.stringify(lines)).not.toContain("swordfish");
});

test("a run that is put out of memory says so, and so does one that is taken up", async () => {
  const lines: Line[] = [];
  const sleeper = defineWorkflow({
    name: "sleeper",
    run: async ({ step }) => {
      await step.race([(own) => own.sleep("1h"), (own) => own.waitForSignal("go")]);
    },
  });
  const mill = await saying(lines, sleeper);
  const receipt = await mill.enqueue(sleeper, null);
  await vi.waitFor(async () => expect((await mill.job(receipt.id))?.state).toBe("waiting"));
  await mill.stop();
  await mill.start();
  await mill.runs.signal(receipt.id, "go");
  await receipt.result(PATIENCE);
  await vi.waitFor(() => {
    expect(linesOf(lines, receipt.id).map(({ message }) => message)).toEqual([
      "job started",
      "run put out of memory",
      "run taken up",
      "job succeeded",
    ]);
  });
});

test("handlers that a run calls on its host log to it, masked, and tell its progress", async () => {
  const lines: Line[] = [];
  const told = Promise.withResolvers<void>();
  const greet = defineJob({
    name: "greet",
    redact: ["secret"],
    run: async ({ input, log, progress }) => {
      log.info(`hello, ${(input as { secret: string }).secret}`);
      progress({ half: true });
      await told.promise;
    },
  });
  const local = defineWorkflow({
    name: "local",
    stayOnHost: true,
    run: ({ step }) => step.job(greet, { secret: "swordfish" }),
  });
  const mill = await saying(lines, greet, local);
  const receipt = await mill.enqueue(local, null);
  const { id } = receipt;
  await vi.waitFor(async () => expect((await mill.job(id))?.progress).toEqual({ half: true }));
  told.resolve();
  await receipt.result(PATIENCE);
  const hello = linesOf(lines, id).find(({ message }) => message.startsWith("hello"));
  expect(hello?.fields).toMatchObject({ type: "local", stepType: "greet", stepAttempt: 1 });
  expect(JSON.stringify(lines)).not.toContain("swordfish");
  await vi.waitFor(async () => {
    const kept = await mill.logs(id);
    expect(kept.map(({ message }) => message).join()).toContain("hello, ");
  });
});
