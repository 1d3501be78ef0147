// A fleet that a config declares runs as long as the worker does.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { repository, run, scratch, startCommand } from "../cli/command-line.ts";
import { processesWith, uniqueTag, worker } from "./programs.ts";

test("millrace worker starts the config's fleets, tells of them in its log and ends them", async () => {
  await using directory = await scratch();
  const tag = uniqueTag();
  const config = join(directory.path, "millrace.config.mjs");
  const fleets = { numbers: { command: worker("-seed", tag), size: 2 } };
  await writeFile(config, `export default ${JSON.stringify({ store: "memory:", fleets })};\n`);
  const working = startCommand(["worker", "--config", config]);
  await working.line(/"fleet":"numbers","member":2.*fleet: ready/);
  // Its own arguments don't hold the tag: only the two members' do.
  expect(processesWith(tag)).toHaveLength(2);
  process.kill(processesWith(tag)[0] ?? 0, "SIGKILL");
  await working.line(/"reason":"killed by SIGKILL".*fleet: crashed/);
  await vi.waitFor(() => expect(processesWith(tag)).toHaveLength(2), 30_000);
  expect(await working.stop()).toBe(0);
  expect(processesWith(tag)).toEqual([]);
});

test("a worker that has fleets and no handler keeps the config's schedules, too", async () => {
  await using directory = await scratch();
  const config = join(directory.path, "millrace.config.mjs");
  const store = `sqlite:${join(directory.path, "jobs.db")}`;
  const fleets = { numbers: { command: worker("-seed", uniqueTag()), size: 1 } };
  const schedules = [{ type: "elsewhere", name: "often", every: "1s" }];
  const rest = JSON.stringify({ store, fleets, schedules });
  await writeFile(
    config,
    `import { defineJob } from ${JSON.stringify(join(repository, "src/index.ts"))};
    export default { ...${rest}, jobs: [defineJob({ name: "elsewhere" })] };\n`,
  );
  const working = startCommand(["worker", "--config", config]);
  await working.line(/"fleet":"numbers","member":1.*fleet: ready/);
  await vi.waitFor(async () => {
    const { out } = await run(["schedules", "--json", "--store", store]);
    expect(JSON.parse(out)).toMatchObject({ schedules: [{ name: "often", type: "elsewhere" }] });
  }, 30_000);
  expect(await working.stop()).toBe(0);
});
