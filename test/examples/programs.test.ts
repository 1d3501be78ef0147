// The sample programs run as their readers would run them.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { startShop } from "../../examples/embed.ts";
import { scratch, start } from "../cli/command-line.ts";
import { callService, freePort } from "../http/service.ts";

const example = (name: string): readonly string[] => [
  "--conditions=millrace-source",
  fileURLToPath(new URL(`../../examples/${name}`, import.meta.url)),
];

test("job service and worker as two processes on one store", async () => {
  await using directory = await scratch();
  const env = {
    MILLRACE_STORE: `sqlite:${join(directory.path, "two.db")}`,
    MILLRACE_PORT: String(await freePort()),
  };
  const service = start(process.execPath, example("two-processes/service.ts"), { env });
  const url = await service.line(/"url":"([^"]+)".*job service listening/);
  const { json } = await callService(url, "POST", "/job", {
    body: { Type: "Sleep", Data: '{"SleepTimeInSeconds": 0, "Message": "across"}' },
  });
  const waiting = callService(url, "GET", `/v1/jobs/${json.id}/result?wait=50s`);
  const worker = start(process.execPath, example("two-processes/worker.ts"), { env });
  expect((await waiting).json).toMatchObject({ state: "succeeded", result: { message: "across" } });
  await worker.line(/across/);
  expect(await worker.stop()).toBe(0);
  expect(await service.stop()).toBe(0);
});

test("the event queue runs as a program", async () => {
  const program = start(process.execPath, example("event-queue.ts"));
  expect(await program.end()).toBe(0);
  expect(program.output()).toContain("sent: true");
});

test("a program embeds Millrace in its own HTTP server, behind its own access", async () => {
  const shop = await startShop("memory:", "a-key-of-the-test", 0);
  const url = `http://127.0.0.1:${(shop.server.address() as AddressInfo).port}`;
  try {
    expect((await callService(url, "GET", "/")).text).toBe("resized: cat-200.png\n");
    expect((await callService(url, "GET", "/millrace/v1/queues")).status).toBe(401);
    const headers = { "x-api-key": "a-key-of-the-test" };
    const queues = await callService(url, "GET", "/millrace/v1/queues", { headers });
    expect(queues.json.queues).toMatchObject([{ name: "resize-image" }]);
    const pause = await callService(url, "POST", "/millrace/v1/queues/resize-image/pause", {
      headers,
    });
    expect(pause.status).toBe(403);
    const posted = await callService(url, "POST", "/millrace/v1/jobs", {
      headers,
      body: { type: "resize-image", input: { file: "dog.png", width: 5 } },
    });
    expect(posted.status).toBe(202);
    expect((await callService(url, "GET", "/millrace/nowhere", { headers })).status).toBe(404);
  } finally {
    await shop.close();
  }
});

test("the tests of an application's jobs pass", async () => {
  const program = start(process.execPath, [
    "--conditions=millrace-source",
    "--test",
    "--test-reporter=tap",
    fileURLToPath(new URL("../../examples/test-your-jobs.ts", import.meta.url)),
  ]);
  expect(await program.end()).toBe(0);
  expect(program.output()).toContain("# pass 3");
});
