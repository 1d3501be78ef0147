// A part that does not end well keeps no other from its end.
import { expect, test } from "vitest";
import { closeInTurn } from "./close-in-turn.ts";

test("each is closed after the one before, also after one that fails, which is told", async () => {
  const ended: string[] = [];
  const closing = closeInTurn([
    async () => {
      await Promise.resolve();
      ended.push("service");
    },
    () => Promise.reject(new Error("the store is gone")),
    async () => void ended.push("fleets"),
  ]);
  await expect(closing).rejects.toThrow("the store is gone");
  expect(ended).toEqual(["service", "fleets"]);
});

test("of several failures each is told", async () => {
  const failing = ["first", "second"].map((name) => () => Promise.reject(new Error(name)));
  await expect(closeInTurn(failing)).rejects.toThrow("first; second");
});
