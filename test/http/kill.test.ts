// Killing the service in the middle of its requests loses no job that it acknowledged.
import { join } from "node:path";
import { openMillrace, silentLogger } from "millrace";
import { expect, test } from "vitest";
import { sleep } from "../../examples/jobs/sleep.ts";
import { scratch, startCommand } from "../cli/command-line.ts";
import { callService } from "./service.ts";

const ROUNDS = 3;
const CLIENTS = 20;
/** Acknowledgements after which the service is killed: in the middle of whatever the others wait for. */
const KILL_AFTER = 200;

test("every acknowledged job is there after kill -9, and runs", async () => {
  await using directory = await scratch();
  const store = `sqlite:${join(directory.path, "kill.db")}`;
  const acknowledged: string[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const service = startCommand(["serve"], { env: { MILLRACE_STORE: store, MILLRACE_PORT: "0" } });
    const url = await service.line(/"url":"([^"]+)".*job service listening/);
    const enough = acknowledged.length + KILL_AFTER;
    const post = async (): Promise<void> => {
      for (;;) {
        const reply = await callService(url, "POST", "/job", {
          body: { Type: "Sleep", Data: '{"SleepTimeInSeconds":0,"Message":"x"}' },
        });
        expect(reply.status).toBe(202);
        acknowledged.push(reply.json.id);
        if (acknowledged.length === enough) service.child.kill("SIGKILL");
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: CLIENTS }, post));
    for (const end of ends) expect(end).toMatchObject({ reason: { message: "fetch failed" } });
    await service.end();
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(ROUNDS * KILL_AFTER);
  await using mill = await openMillrace({ store, jobs: [sleep], logger: silentLogger });
  const kept = await Promise.all(acknowledged.map((id) => mill.job(id)));
  expect(kept.filter((job) => job === null)).toEqual([]);
  await mill.start();
  await Promise.all(acknowledged.map((id) => mill.wait(id)));
  const states = await Promise.all(acknowledged.map(async (id) => (await mill.job(id))?.state));
  expect(new Set(states)).toEqual(new Set(["succeeded"]));
});
