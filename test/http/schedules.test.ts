// Schedules over HTTP: what the client does, the store at hand does too, to the same effect.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpOperations } from "millrace/http";
import { TOKENS, type TestService, startService } from "./service.ts";

let service: TestService;
let client: ReturnType<typeof createHttpOperations>;
const input = { text: "hi", secret: "s3cr3t" };

beforeAll(async () => {
  service = await startService({ access: { tokens: TOKENS } });
  client = createHttpOperations({ url: service.url, token: TOKENS[3].token });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

test("a schedule put by the client is the store's, and what is shown of it is masked", async () => {
  const put = await client.schedules.put({
    type: "echo",
    name: "team/night",
    cron: "0 2 * * *",
    timeZone: "Europe/Berlin",
    start: new Date("2026-01-01T00:00:00Z"),
    missed: { all: 3 },
    input,
  });
  expect(put).toMatchObject({
    description: "At 02:00 (Europe/Berlin), from 2026-01-01T00:00:00.000Z",
    input: { text: "hi", secret: "[redacted]" },
  });
  expect(await client.schedules.get("team/night")).toEqual(put);
  expect(await service.mill.schedules.get("team/night")).toEqual(put);
  expect(await client.schedules.list({ type: "echo", limit: 5 })).toEqual({ schedules: [put] });
  expect(await client.schedules.list({ queue: "other" })).toEqual({ schedules: [] });
});

test("it is paused by the token's name, resumed, and previewed by name and by rhythm", async () => {
  const paused = await client.schedules.pause("team/night", { by: "me", reason: "why" });
  expect(paused).toMatchObject({ state: "paused", paused: { by: "operator", reason: "why" } });
  expect(await client.schedules.resume("team/night")).toMatchObject({ state: "active" });
  const after = new Date("2026-03-28T12:00:00Z");
  const ticks = await client.schedules.preview("team/night", { after, count: 2 });
  expect(ticks.map(({ clock }) => clock)).toEqual(["moved", "usual"]);
  const rhythm = { cron: "0 2 * * *", timeZone: "Europe/Berlin" };
  expect(await client.schedules.preview(rhythm, { after, count: 2 })).toEqual(ticks);
});

test("its job is run now, and its result awaited", async () => {
  const receipt = await client.schedules.run("team/night");
  expect(await receipt.result({ timeout: "30s" })).toEqual({ text: "hi" });
});

test("it is removed once, and then nobody knows it", async () => {
  expect(await client.schedules.remove("team/night")).toBe(true);
  expect(await client.schedules.remove("team/night")).toBe(false);
  expect(await client.schedules.get("team/night")).toBeNull();
  await expect(client.schedules.run("team/night")).rejects.toMatchObject({
    code: "SCHEDULE_NOT_FOUND",
  });
});

test.each([
  [{ cron: "0 0 31 4 *" }, "INVALID_SCHEDULE", 422],
  [{ cron: "* * * * *", timeZone: "Mars/Olympus" }, "INVALID_SCHEDULE", 422],
  [{ every: "1m", input: { text: 1 } }, "INVALID_INPUT", 422],
  [{ every: "1m", overlap: "queue" }, "INVALID_ARGUMENT", 400],
])("%j is refused with %s", async (schedule, code, status) => {
  const reply = await service.call("POST", "/v1/schedules", {
    body: { type: "echo", input, ...schedule },
    headers: { authorization: `Bearer ${TOKENS[3].token}` },
  });
  expect({ status: reply.status, code: reply.json.code }).toEqual({ status, code });
});
