// The thread launcher: a module's function in a warm thread, with everything a function in process has.
import { afterEach, describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { Millrace } from "../millrace.ts";
import { openMillrace } from "../../millrace/index.ts";

const module = new URL("./thread-handlers.fixture.ts", import.meta.url);
const thread = (exportName: string): { launcher: string; options: unknown } => ({
  launcher: "thread",
  options: { module, export: exportName },
});

let mill: Millrace | undefined;
afterEach(async () => {
  await mill?.stop(undefined, { grace: 0 });
  await mill?.close();
});

describe("a job in a thread", () => {
  test("gets its input, tells its progress and lines, and gives its result", async () => {
    const add = defineJob({ name: "add", launch: thread("add") });
    mill = await openMillrace({ store: "memory:", logger: false, jobs: [add] });
    await mill.start();
    const receipt = await mill.enqueue(add, { a: 1, b: 2 });
    expect(await receipt.result()).toBe(3);
    expect(await mill.job(receipt.id)).toMatchObject({ progress: 1 });
    expect(await mill.logs(receipt.id)).toMatchObject([{ level: "info", message: "adding" }]);
  });

  test("says on purpose how its try ended, as a function in process does", async () => {
    const refuse = defineJob({ name: "refuse", launch: thread("refuse") });
    mill = await openMillrace({ store: "memory:", logger: false, jobs: [refuse] });
    await mill.start();
    const receipt = await mill.enqueue(refuse, null);
    const cause = { name: "TypeError", message: "no way", code: "NO_WAY" };
    await expect(receipt.result()).rejects.toMatchObject({
      cause: { message: "never", cause: { ...cause, cause: { message: "no road" } } },
    });
    expect(await mill.job(receipt.id)).toMatchObject({ state: "failed", attempt: 1 });
  });

  test("is ended with its thread when it spins beyond its timeout and grace, and the next one runs", async () => {
    const spin = defineJob({
      name: "spin",
      timeout: "50ms",
      grace: "50ms",
      retry: { attempts: 1 },
      launch: thread("spin"),
    });
    const add = defineJob({ name: "add", launch: thread("add") });
    mill = await openMillrace({ store: "memory:", logger: false, jobs: [spin, add] });
    await mill.start();
    const receipt = await mill.enqueue(spin, null);
    await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
    expect(await mill.job(receipt.id)).toMatchObject({ error: { code: "JOB_TIMEOUT" } });
    expect(await (await mill.enqueue(add, { a: 2, b: 2 })).result()).toBe(4);
  });

  test("is refused at start when its module is not a URL", async () => {
    const odd = defineJob({
      name: "odd",
      launch: { launcher: "thread", options: { module: "nope" } },
    });
    mill = await openMillrace({ store: "memory:", logger: false, jobs: [odd] });
    await expect(mill.start()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
