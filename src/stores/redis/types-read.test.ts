// What is known of the types of a namespace when the primary that keeps them is silent.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { directoryOf } from "./layout.ts";
import { ROOM_PATIENCE_MS } from "./exchange/patience.ts";
import { openTypes } from "./queues.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const AGES_MS = 60_000;
const text = (name: string): string =>
  JSON.stringify({ name, retention: { succeeded: {}, failed: {}, cancelled: {} } });

const oneType = async (): Promise<unknown> => [text("mail")];

/** Types over a connection that answers what it is told to. */
function typesOf(answer: () => Promise<unknown>): ReturnType<typeof openTypes> {
  return openTypes({ command: answer }, directoryOf("x"), ROOM_PATIENCE_MS);
}

test("they are as they were read last, once their primary is silent, and nobody waits for it again", async () => {
  let answer = oneType;
  const types = typesOf(() => answer());
  expect([...(await types.read()).keys()]).toEqual(["mail"]);
  const slow = Promise.withResolvers<unknown>();
  answer = () => slow.promise;
  await vi.advanceTimersByTimeAsync(AGES_MS);
  const reading = types.read();
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS - 1);
  expect([...(await reading).keys()]).toEqual(["mail"]);
  expect([...(await types.read()).keys()]).toEqual(["mail"]);
  slow.resolve([text("mail"), text("post")]);
  await vi.advanceTimersByTimeAsync(0);
  expect([...(await types.read()).keys()]).toEqual(["mail", "post"]);
});

test("a primary that fails leaves them as they were, and whoever wants them as they are is told", async () => {
  let answer = oneType;
  const types = typesOf(() => answer());
  await types.read();
  answer = async () => {
    throw new Error("away");
  };
  await vi.advanceTimersByTimeAsync(AGES_MS);
  expect([...(await types.read()).keys()]).toEqual(["mail"]);
  await expect(types.readAnew()).rejects.toThrow("away");
});

test("as long as none were read they are waited for", async () => {
  const types = typesOf(async () => {
    throw new Error("away");
  });
  await expect(types.read()).rejects.toThrow("away");
});
