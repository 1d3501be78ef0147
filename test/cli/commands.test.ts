// Every command, driven as a user drives it: against a store, and against a service by its URL and token.
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startRedis } from "../servers/redis-server.ts";
import { repository, run, runProcess, scratch, startCommand } from "./command-line.ts";
import { TOKEN, WAYS, useStoreAndService } from "./store-and-service.ts";

const SLEEP = '{"SleepTimeInSeconds": 0, "Message": "from the test"}';
const place = useStoreAndService();

const json = (text: string): never => JSON.parse(text) as never;

test("a reader that goes away ends a command quietly, as `| head` does", async () => {
  const command = startCommand(["--help"]);
  command.child.stdout?.destroy();
  expect(await command.end()).toBe(141);
  expect(command.output()).toBe("");
});

test("a store that was typed counts more than a service of the environment; both typed are refused", async () => {
  const env = { MILLRACE_URL: "http://127.0.0.1:1" };
  expect(await run(["jobs", ...place.flags("a store")], { env })).toMatchObject({ code: 0 });
  const both = await run(["jobs", ...place.flags("a store"), ...place.flags("a service")]);
  expect(both).toMatchObject({
    code: 2,
    err: expect.stringContaining("say one of them") as string,
  });
});

test("the heading of top shows no password of its store", async () => {
  const server = await startRedis({
    args: ["--user", "ann", "on", ">hunter2", "~*", "&*", "+@all"],
  });
  try {
    const store = `redis://ann:hunter2@127.0.0.1:${server.port}`;
    const { code, out } = await run(["top", "--once", "--store", store]);
    expect(code).toBe(0);
    expect(out).toContain(`redis://***@127.0.0.1:${server.port}`);
  } finally {
    await server.stop();
  }
});

describe.each(WAYS)("against %s", (where) => {
  const ask = (...args: readonly string[]) => place.ask(where, ...args);

  test("enqueue prints the id; jobs and job show it", async () => {
    const { code, out } = await ask("enqueue", "Sleep", SLEEP, "--tag", "shown", "--wait", "30s");
    expect({ code, out: json(out) }).toEqual({ code: 0, out: { message: "from the test" } });
    const list = await ask("jobs", "--tag", "shown", "--state", "succeeded", "--json");
    const { jobs }: { jobs: { id: string }[] } = json(list.out);
    expect(jobs.length).toBeGreaterThan(0);
    const shown = await ask("job", jobs[0]?.id ?? "");
    expect(shown.out).toMatch(/state\s+succeeded/);
    expect((await ask("job", jobs[0]?.id ?? "", "--logs")).out).toContain("from the test");
    const table = await ask("jobs", "--type", "Sleep", "--limit", "1");
    expect(table.out).toMatch(/^ID\s+TYPE\s+STATE.*\n.*Sleep/);
  });

  test("with --json a warning goes to standard error, and the document is whole", async () => {
    const args = ["--type", "Sleep", "--tag", "nobody has it", "--json"];
    const { code, out, err } = await ask("requeue", "nobodys-queue", ...args);
    expect({ code, out: json(out) }).toEqual({
      code: 0,
      out: { matched: 0, changed: 0, isDone: true },
    });
    expect(err).toContain("no job, job type or worker has the queue nobodys-queue");
  });

  test("enqueue takes its input from standard input, a delay and a key", async () => {
    const args = ["enqueue", "Sleep", "-", "--delay", "1h", "--key", `key of ${where}`, "--json"];
    const options = place.flags(where);
    const env = { MILLRACE_TOKEN: TOKEN };
    const first = await runProcess([...args, ...options], { input: SLEEP, env });
    const again = await runProcess([...args, ...options], { input: SLEEP, env });
    expect(json(first.out)).toMatchObject({ state: "scheduled", isNew: true });
    expect(json(again.out)).toMatchObject({ isNew: false });
    const { id }: { id: string } = json(first.out);
    const cancelled = await ask("cancel", id, "--reason", "not needed");
    expect(cancelled).toMatchObject({ code: 0, out: `${id} cancelled\n` });
    expect((await ask("cancel", id)).code).toBe(4);
    expect((await ask("retry", id)).out).toContain("ready again");
    expect((await ask("job", id, "--follow")).code).toBe(0);
    expect((await ask("remove", id, "--json")).code).toBe(0);
    expect(await ask("job", id)).toMatchObject({
      code: 3,
      err: expect.stringContaining("JOB_NOT_FOUND") as string,
    });
  });

  test("enqueue says how its job is tried, in place of its type", async () => {
    const input = '{"SleepTimeInSeconds": 600, "Message": "too long"}';
    const terms = ["--timeout", "10ms", "--attempts", "2", "--backoff", "1ms"];
    const ended = await ask("enqueue", "Sleep", input, ...terms, "--tag", "tried", "--wait", "30s");
    expect(ended.code).toBe(4);
    expect(ended.err).toContain("took longer than its timeout of 10 ms");
    const { jobs }: { jobs: { id: string; attempt: number; retry: { attempts: number } }[] } = json(
      (await ask("jobs", "--tag", "tried", "--state", "failed", "--json")).out,
    );
    expect(jobs[0]).toMatchObject({ attempt: 2, retry: { attempts: 2 }, timeout: "10ms" });
    const shown = (await ask("job", jobs[0]?.id ?? "")).out;
    expect(shown).toMatch(/^retry +\{"attempts":2,"backoff":.*$/m);
    expect(shown).toMatch(/^timeout +10ms$/m);
    const refused = await ask("enqueue", "Sleep", input, "--attempts", "0");
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("attempts") as string });
  });

  test("a running job is followed, and cancelled from another process", async () => {
    const { out } = await ask("enqueue", "Sleep", '{"SleepTimeInSeconds": 600, "Message": "x"}');
    const id = out.trim();
    const options = place.flags(where);
    const following = startCommand(["job", id, "--follow", "--json", ...options], {
      env: { MILLRACE_TOKEN: TOKEN },
    });
    await following.line(/"state":"running"|"kind":"started"/);
    await ask("cancel", id);
    expect(await following.end()).toBe(4);
    const last: unknown = json(following.output().trim().split("\n").at(-1) ?? "");
    expect(last).toMatchObject({ job: { id, state: "cancelled" } });
  });

  test("orders on what options select: counted first, then carried out", async () => {
    const tag = `ordered by ${where}`;
    for (const customer of ["acme", "acme", "other"]) {
      const input = `{"SleepTimeInSeconds": 0, "Message": "${customer}"}`;
      await ask("enqueue", "Sleep", input, "--tag", tag, "--delay", "1h");
    }
    const chosen = ["--tag", tag, "--field", "Message=acme"];
    const dry = await ask("reschedule", "2h", ...chosen, "--dry-run");
    expect(dry.out).toMatch(/^2 would be rescheduled.*\nno index answers input: \d+ jobs/);
    expect((await ask("reschedule", "2h", ...chosen)).out).toBe("2 rescheduled\n");
    expect((await ask("prioritize", "10", "--tag", tag)).out).toBe("3 prioritized\n");
    expect((await ask("requeue", "slep", ...chosen, "--dry-run")).err).toMatch(
      /has the queue slep: nobody takes .* Did you mean Sleep\?/,
    );
    expect((await ask("requeue", "slow", ...chosen)).out).toBe("2 moved\n");
    expect((await ask("prioritize", "high", ...chosen)).err).toMatch(/"high"; expected a number/);
    expect((await ask("reschedule", "soon", ...chosen)).err).toMatch(/"soon"; expected a time/);
    const list = await ask("jobs", "--queue", "slow", "--tag", tag, "--since", "1h", "--json");
    const { jobs }: { jobs: { id: string; priorityHeadStartMs: number }[] } = json(list.out);
    expect(jobs.map((job) => job.priorityHeadStartMs)).toEqual([600_000, 600_000]);
    const why = await ask("why", jobs[0]?.id ?? "");
    expect(why.out).toMatch(/^It is due in .*; none of 1 worker takes jobs of type Sleep/);
    expect((await ask("cancel", "--tag", tag)).out).toBe("3 cancelled\n");
    const ended = await ask("cancel", "--tag", tag, "--state", "cancelled", "--dry-run");
    expect(ended).toMatchObject({
      code: 2,
      err: expect.stringContaining("cancel does nothing to jobs that are cancelled") as string,
    });
    const again = await ask("cancel", "--tag", tag, "--dry-run");
    expect(again.out).toMatch(/^0 would be cancelled/);
    expect((await ask("dead", "list", "--tag", tag)).out).toBe("no jobs\n");
    const slip = await ask("retry", "--type", "Slep", "--dry-run");
    expect(slip).toMatchObject({
      out: expect.stringMatching(/^0 would be/) as string,
      err: "no job type is named Slep. Did you mean Sleep?\n",
    });
    expect((await ask("jobs", "--queue", "Slep")).err).toMatch(/queue Slep\. Did you mean Sleep/);
    const bare = await ask("remove");
    expect(bare).toMatchObject({ code: 2, err: expect.stringContaining("--all") as string });
    const removed = await ask("remove", "--tag", tag, "--json");
    expect(json(removed.out)).toEqual({ matched: 3, changed: 3, isDone: true });
  });

  test("a dead letter is replayed with another input", async () => {
    const { out } = await ask("enqueue", "Sleep", '{"SleepTimeInSeconds": 600, "Message": "x"}');
    const id = out.trim();
    await ask("cancel", id);
    expect((await ask("job", id, "--follow")).code).toBe(4);
    const input = '{"SleepTimeInSeconds": 0, "Message": "mended"}';
    expect((await ask("dead", "replay", id, "--with", input)).out).toBe(`${id} ready again\n`);
    expect((await ask("job", id, "--follow")).code).toBe(0);
    expect((await ask("job", id)).out).toContain("mended");
    expect((await ask("errors", "--since", "1h")).code).toBe(0);
  });

  test("drain lets nothing new in, and resume opens the queue again", async () => {
    expect((await ask("drain", "Sleep", "--reason", "a test")).out).toBe(
      "Sleep takes nothing new in\n",
    );
    expect((await ask("queues")).out).toMatch(/Sleep .*draining by .*: a test/);
    const refused = await ask("enqueue", "Sleep", SLEEP);
    expect(refused.err).toContain("QUEUE_DRAINING");
    expect((await ask("resume", "Sleep")).out).toBe("Sleep resumed\n");
    expect((await ask("enqueue", "Sleep", SLEEP)).code).toBe(0);
  });

  test("pause and resume change what queues shows", async () => {
    expect((await ask("pause", "Sleep", "--reason", "a test")).out).toBe("Sleep paused\n");
    expect((await ask("queues")).out).toMatch(/Sleep .*paused by .*: a test/);
    expect((await ask("resume", "Sleep")).out).toBe("Sleep resumed\n");
    expect((await ask("queues")).out).not.toContain("paused");
  });

  test("types, workers, top and doctor show what there is, as tables and as JSON", async () => {
    expect((await ask("types")).out).toMatch(
      /Sleep\s+Sleep\s+in-process\s+SleepTimeInSeconds, Message/,
    );
    expect((await ask("workers")).out).toMatch(/WORKER.*\n.*Sleep, hash-tree/);
    await ask("enqueue", "Sleep", SLEEP, "--wait", "30s");
    expect((await ask("top", "--once")).out).toMatch(/1 worker\n[^]*QUEUE[^]*Sleep/);
    const doctor = await ask("doctor");
    expect(doctor.code).toBe(0);
    expect(doctor.out).toMatch(/durability\s+fsync/);
    expect(doctor.out).toMatch(/can lose\s+nothing that was acknowledged/);
    expect(doctor.out).toMatch(/ok\s+this machine's clock/);
    for (const name of ["types", "queues", "workers", "top", "doctor"]) {
      expect((await ask(name, "--json")).out, name).toMatch(/^[[{]/);
    }
  });

  test("wrong input, type and id end with the codes of wrong usage", async () => {
    expect((await ask("enqueue", "Sleep", "{oops")).code).toBe(2);
    expect((await ask("enqueue", "Sleep", "{}")).err).toContain("INVALID_INPUT");
    const unknown = await ask("enqueue", "Slep", "{}");
    expect(unknown.err).toMatch(/"Slep" \(did you mean Sleep\?\); .*UNKNOWN_TYPE/);
    expect((await ask("job", "abc")).code).toBe(2);
    expect((await ask("jobs", "--state", "done")).code).toBe(2);
  });
});

test("a wrong token, no service and no store end with codes of their own", async () => {
  const denied = await run(["queues", "--url", place.url, "--token", "wrong"]);
  expect(denied).toMatchObject({ code: 6, err: expect.stringContaining("UNAUTHORIZED") as string });
  const gone = await run(["queues", "--url", "http://127.0.0.1:2"]);
  expect(gone.code).toBe(5);
  const missing = await run(["jobs", "--store", "sqlite:/nowhere/at/all.db"]);
  expect(missing).toMatchObject({
    code: 5,
    err: expect.stringContaining("there is no store") as string,
  });
});

test("serve and worker do as separate processes what start does as one", async () => {
  const own = `sqlite:${join(place.directory, "apart.db")}`;
  const env = { MILLRACE_STORE: own, MILLRACE_PORT: "0" };
  const serving = startCommand(["serve"], { env });
  const address = await serving.line(/"url":"([^"]+)".*job service listening/);
  const { out } = await run(["enqueue", "Sleep", SLEEP, "--url", address]);
  const id = out.trim();
  expect((await run(["job", id, "--url", address])).out).toMatch(/state\s+ready/);
  const working = startCommand(["worker", "--queues", "Sleep", "--concurrency", "2"], { env });
  await working.line(/worker started/);
  expect((await run(["job", id, "--follow", "--url", address])).code).toBe(0);
  expect((await run(["workers", "--url", address, "--json"])).out).toMatch(/"concurrency": 2/);
  expect(await working.stop()).toBe(0);
  expect(await serving.stop("SIGINT")).toBe(0);
});

test("a signal drains; a second one stops at once", async () => {
  const own = `sqlite:${join(place.directory, "drain.db")}`;
  const working = startCommand(["worker"], { env: { MILLRACE_STORE: own } });
  await working.line(/worker started/);
  const { out } = await run([
    "enqueue",
    "Sleep",
    '{"SleepTimeInSeconds": 2, "Message": "drained"}',
    "--store",
    own,
  ]);
  await working.line(/job started/);
  expect(await working.stop()).toBe(0);
  expect(working.output()).toContain("drained");
  expect((await run(["job", out.trim(), "--store", own])).out).toMatch(/state\s+succeeded/);

  const again = startCommand(["worker"], { env: { MILLRACE_STORE: own } });
  await again.line(/worker started/);
  await run(["enqueue", "Sleep", '{"SleepTimeInSeconds": 600, "Message": "x"}', "--store", own]);
  await again.line(/job started/);
  again.child.kill("SIGINT");
  await again.line(/a second signal/);
  // The first second signals may come so soon that they count as echoes of the first.
  await expect
    .poll(() => {
      again.child.kill("SIGINT");
      return again.child.exitCode;
    })
    .toBe(130);
});

test("a service that others could reach refuses to start without a token", async () => {
  const env = { MILLRACE_STORE: "memory:", MILLRACE_PORT: "0", MILLRACE_HOST: "0.0.0.0" };
  const refused = await run(["serve"], { env });
  expect(refused).toMatchObject({
    code: 2,
    err: expect.stringContaining("refusing to listen") as string,
  });
});

test("a wrong config says which field, what was expected and on which line", async () => {
  let files = 0;
  const define = 'import { defineConfig } from "millrace";\n';
  const load = async (text: string) => {
    // Node remembers what it imported, so each config is a file of its own.
    files += 1;
    const path = join(place.directory, `wrong${files}.config.ts`);
    await writeFile(path, text);
    return run(["types", "--config", path, "--store", "memory:"]);
  };
  expect(
    await load('export default {\n  store: "memory:",\n  http: {\n    port: "80",\n  },\n};\n'),
  ).toMatchObject({
    code: 2,
    err: expect.stringContaining("wrong1.config.ts:4: http.port: expected number") as string,
  });
  expect((await load("export const a = 1;\n")).err).toContain("no default export");
  expect((await load("const a = ;\n")).err).toContain("can't be loaded");
  expect((await load(`${define}throw new Error("on purpose");\n`)).err).toMatch(
    /wrong4\.config\.ts.*(on purpose|Cannot find package)/,
  );
  expect((await run(["types", "--config", "nowhere.ts"])).err).toContain("there is no config");
});

test("init writes a config and a job type that work, and overwrites nothing", async () => {
  await using project = await scratch();
  const made = await run(["init", project.path]);
  expect(made.out).toContain("millrace.config.ts");
  expect(await readFile(join(project.path, "millrace.config.ts"), "utf8")).toContain(
    "defineConfig",
  );
  expect((await run(["init", project.path])).code).toBe(2);
  // As npm install would, the project gets this package; only that it is linked rather than copied.
  await mkdir(join(project.path, "node_modules"));
  await symlink(repository, join(project.path, "node_modules", "millrace"));
  const started = startCommand(["start"], { cwd: project.path, env: { MILLRACE_PORT: "0" } });
  const address = await started.line(/"url":"([^"]+)".*job service listening/);
  const greeted = await run(["enqueue", "hello", '{"name": "Ada"}', "--wait", "--url", address]);
  expect(greeted.out).toContain("Hello, Ada!");
  expect(await started.stop()).toBe(0);
});

test("init leaves a tsconfig.json alone and says what it needs", async () => {
  await using project = await scratch();
  const path = join(project.path, "tsconfig.json");
  await writeFile(path, "{} // ours");
  await writeFile(join(project.path, "package.json"), '{"devDependencies": {"typescript": "*"}}');
  const { code, out } = await run(["init", project.path]);
  expect(code).toBe(0);
  expect(out).toMatch(/tsconfig\.json is left as it is; .*"allowImportingTsExtensions": true/);
  expect(out).toContain("npm install --save-dev @types/node, then npx tsc");
  expect(await readFile(path, "utf8")).toBe("{} // ours");
});

test("init writes nothing beside a manifest that can't be read, so that it can be run again", async () => {
  await using project = await scratch();
  const manifest = join(project.path, "package.json");
  await writeFile(manifest, "{");
  const refused = await run(["init", project.path]);
  expect(refused).toMatchObject({
    code: 2,
    err: expect.stringContaining("is not JSON; mend it first") as string,
  });
  await writeFile(manifest, "{}");
  expect(await run(["init", project.path])).toMatchObject({ code: 0 });
});

test("what a handler threw can't steer the terminal of who waits for its job", async () => {
  await using project = await scratch();
  const path = join(project.path, "loud.config.ts");
  await writeFile(
    path,
    `import { defineConfig, defineJob } from ${JSON.stringify(join(repository, "src/index.ts"))};
    const run = () => { throw new Error("a\\u001B[2Jb"); };
    export default defineConfig({ jobs: [defineJob({ name: "loud", retry: { attempts: 1 }, run })] });`,
  );
  const options = ["--store", `sqlite:${join(project.path, "loud.db")}`, "--config", path];
  const worker = startCommand(["worker", ...options]);
  await worker.line(/worker started/);
  const { err } = await run(["enqueue", "loud", "--wait", ...options]);
  await worker.stop();
  expect(err).toMatch(/^millrace: job \S+ failed: a \[2Jb \(JOB_FAILED\)\n$/);
});

test("completion prints scripts that name every command", async () => {
  const help = await run(["--help"]);
  const commands = [...help.out.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name ?? "");
  expect(commands.length).toBeGreaterThan(15);
  for (const shell of ["bash", "zsh", "fish"]) {
    const { out } = await run(["completion", shell]);
    for (const name of commands.filter((command) => command !== "help"))
      expect(out).toContain(name);
  }
  expect((await run(["completion", "tcsh"])).code).toBe(2);
});

test("a mistyped command is told of the right one, and every command has help with an example", async () => {
  const mistyped = await run(["enqeue"]);
  expect(mistyped.code).toBe(2);
  expect(mistyped.err).toContain("Did you mean enqueue?");
  for (const name of ["enqueue", "jobs", "job", "cancel", "start", "serve", "worker", "top"]) {
    expect((await run([name, "--help"])).out, name).toMatch(/Examples?:\n\s+\$ millrace/);
  }
});
