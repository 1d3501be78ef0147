// The process launcher: programs that speak the protocol, programs that know nothing of it, limits and ends.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type JobView,
  type Millrace,
  type ProcessLaunchOptions,
  defineJob,
  openMillrace,
} from "millrace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const speaks = fileURLToPath(new URL("./programs/speaks.mjs", import.meta.url));

let mill: Millrace | undefined;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-process-"));
});
afterEach(async () => {
  await mill?.stop(undefined, { grace: 0 });
  await mill?.close();
  await rm(directory, { recursive: true, force: true });
});

async function open(
  options: ProcessLaunchOptions,
  more: object = {},
): Promise<(input: unknown) => Promise<Ended>> {
  const type = defineJob({
    name: "program",
    retry: { attempts: 1 },
    grace: "200ms",
    ...more,
    launch: { launcher: "process", options },
  });
  const opened = await openMillrace({ store: "memory:", logger: false, jobs: [type] });
  mill = opened;
  await opened.start();
  return async (input) => {
    const receipt = await opened.enqueue(type, input);
    const outcome: unknown = await receipt
      .result({ timeout: "30s" })
      .catch((error: unknown) => error);
    return { outcome, job: await opened.job(receipt.id), id: receipt.id };
  };
}
interface Ended {
  readonly outcome: unknown;
  readonly job: JobView | null;
  readonly id: string;
}

describe("a program that speaks the protocol", () => {
  test("gets its job on standard input; tells progress, lines and result; standard error is the job's log", async () => {
    const run = await open({ command: ["node", speaks] });
    const { outcome, job, id } = await run({ act: "add", a: 1, b: 2 });
    expect(outcome).toBe(3);
    expect(job?.progress).toBe(0.5);
    const lines = (await mill?.logs(id)) ?? [];
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual(
      expect.arrayContaining([
        'warn adding {"a":1}',
        expect.stringMatching(/^info hello from \d+$/),
      ]),
    );
  });

  test("says how its job ended: failed, fatal, snoozed, by exit code, or by a mistake", async () => {
    await open({ command: ["node", speaks] }, { retry: { attempts: 2, backoff: [3_600_000] } });
    expect(await stateAfter("fail")).toMatchObject({
      state: "scheduled",
      error: { message: "went wrong" },
    });
    expect(await stateAfter("fatal")).toMatchObject({
      state: "failed",
      error: { message: "never" },
    });
    expect(await stateAfter("snooze")).toMatchObject({ state: "scheduled", error: null });
    expect(await stateAfter("die")).toMatchObject({
      state: "scheduled",
      error: { message: /exit code 3/ },
    });
    expect(await stateAfter("garble")).toMatchObject({
      state: "failed",
      error: { message: /section 3/ },
    });
  });

  test("sees no variable of the worker that was not named", async () => {
    process.env["MILLRACE_TEST_SECRET"] = "canary";
    try {
      const run = await open({ command: ["node", speaks], env: { GIVEN: "yes" } });
      const { outcome, id } = await run({ act: "env" });
      expect(outcome).toMatchObject({
        GIVEN: "yes",
        MILLRACE_JOB_ID: id,
        MILLRACE_JOB_ATTEMPT: "1",
      });
      expect(outcome).not.toHaveProperty("MILLRACE_TEST_SECRET");
    } finally {
      delete process.env["MILLRACE_TEST_SECRET"];
    }
  });

  test("is kept warm for many jobs, and replaced when it dies in the middle of one", async () => {
    const run = await open({ command: ["node", speaks, "--warm"], warm: true });
    const first = (await run({ act: "pid" })).outcome;
    expect((await run({ act: "pid" })).outcome).toBe(first);
    expect((await run({ act: "die" })).job).toMatchObject({ state: "failed" });
    const second = (await run({ act: "pid" })).outcome;
    expect(second).not.toBe(first);
    expect(typeof second).toBe("number");
  });

  test("is killed with its group when it outlives its timeout and grace", async () => {
    const run = await open(
      { command: ["node", speaks, "--warm"], warm: true },
      { timeout: "300ms" },
    );
    const { outcome: pid } = await run({ act: "pid" });
    expect((await run({ act: "hang" })).job).toMatchObject({ error: { code: "JOB_TIMEOUT" } });
    await expect.poll(() => isRunning(String(pid))).toBe(false);
    expect((await run({ act: "add", a: 2, b: 2 })).outcome).toBe(4);
  });
});

describe("a program that knows nothing of the protocol", () => {
  test("has its output taken as the result: JSON where it is, text otherwise", async () => {
    const run = await open({ command: ["printf", "%s", "{text}"] });
    expect((await run({ text: '{"a":1}' })).outcome).toEqual({ a: 1 });
    expect((await run({ text: "two words" })).outcome).toBe("two words");
  });

  test("gets the job on its standard input", async () => {
    const run = await open({ command: "cat" });
    expect((await run({ n: 7 })).outcome).toMatchObject({
      kind: "job",
      type: "program",
      input: { n: 7 },
    });
  });

  test("never has an argument read by a shell, nor an input taken for an option", async () => {
    const run = await open({ command: ["printf", "%s", "{text}"] });
    const marker = join(directory, "made-by-a-shell");
    for (const text of [
      `$(touch ${marker})`,
      `; touch ${marker}`,
      `\`touch ${marker}\``,
      `| touch ${marker} &`,
      "a\n*",
    ]) {
      expect((await run({ text })).outcome).toBe(text.trim());
    }
    expect(existsSync(marker)).toBe(false);
    expect((await run({ text: "--help" })).job).toMatchObject({
      state: "failed",
      error: { message: /dash/ },
    });
    expect((await run({})).job).toMatchObject({ error: { code: "INVALID_INPUT" } });
  });

  test("is refused clearly when it writes too much, or can't be started", async () => {
    const loud = await open({ command: ["head", "-c", "10000000", "/dev/zero"] });
    expect((await loud(null)).job).toMatchObject({ error: { code: "TOO_LARGE" } });
    await mill?.close();
    const missing = await open({ command: "./no-such-program" });
    expect((await missing(null)).job).toMatchObject({ error: { code: "LAUNCH_FAILED" } });
  });

  test.runIf(process.platform === "linux")(
    "is held to its limits of memory and processor time",
    async () => {
      const spin = await open({ command: ["node", "-e", "for(;;){}"], maxCpuSeconds: 1 });
      expect((await spin(null)).job).toMatchObject({
        state: "failed",
        error: { message: /SIGXCPU|SIGKILL/ },
      });
    },
  );

  test("ends with its whole group when its job is cancelled", async () => {
    const file = join(directory, "child.pid");
    const run = await open({ command: ["sh", "-c", `sleep 60 & echo $! > ${file}; wait`] });
    const ended = run(null);
    await expect.poll(() => existsSync(file)).toBe(true);
    const [job] = (await mill?.jobs())?.jobs ?? [];
    await mill?.cancel([job?.id ?? ""], { reason: "enough" });
    expect((await ended).outcome).toMatchObject({ code: "JOB_CANCELLED" });
    const child = (await readFile(file, "utf8")).trim();
    await expect.poll(() => isRunning(child)).toBe(false);
  });
});

/** Whether a process runs; one that is dead and waits to be reaped does not. */
function isRunning(pid: string): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Runs one act, and gives the job once it is neither ready nor running. */
async function stateAfter(act: string): Promise<JobView | null> {
  const [receipt] = (await mill?.enqueueEntries([{ type: "program", input: { act } }])) ?? [];
  const id = receipt?.id ?? "";
  await expect
    .poll(async () => (await mill?.job(id))?.state, { timeout: 30_000 })
    .not.toMatch(/ready|running/);
  return (await mill?.job(id)) ?? null;
}
