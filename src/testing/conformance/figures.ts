// Figures: counts of jobs that add up by the minute and the hour, whoever tells them.
import assert from "node:assert/strict";
import { windowStartMs } from "../../core/figures.ts";
import type { Topic } from "./harness.ts";
import { HOUR_MS, MINUTE_MS } from "./world.ts";

const needs = ["figures"] as const;

export const figuresTopic: Topic = {
  name: "figures",
  cases: [
    {
      name: "of several workers add up, in their minute and in its hour",
      needs,
      async run({ store, now }) {
        const hourMs = windowStartMs("hour", await now());
        const first = { startMs: hourMs, type: "mail", counts: { succeeded: 2, "run:3": 2 } };
        const second = { startMs: hourMs, type: "mail", counts: { succeeded: 1, failed: 1 } };
        const later = { startMs: hourMs + MINUTE_MS, type: "mail", counts: { succeeded: 4 } };
        await Promise.all([
          store.addFigures({ figures: [first] }),
          store.addFigures({ figures: [second, later] }),
        ]);
        assert.deepEqual(await store.figures({ resolution: "minute", fromMs: hourMs }), [
          {
            resolution: "minute",
            startMs: hourMs,
            type: "mail",
            counts: { succeeded: 3, failed: 1, "run:3": 2 },
          },
          { ...later, resolution: "minute" },
        ]);
        assert.deepEqual(await store.figures({ resolution: "hour", fromMs: hourMs }), [
          {
            resolution: "hour",
            startMs: hourMs,
            type: "mail",
            counts: { succeeded: 7, failed: 1, "run:3": 2 },
          },
        ]);
      },
    },
    {
      name: "are read by type and from a time on, oldest first",
      needs,
      async run({ store, now }) {
        const hourMs = windowStartMs("hour", await now());
        const counts = { succeeded: 1 };
        await store.addFigures({
          figures: [
            { startMs: hourMs + MINUTE_MS, type: "b", counts },
            { startMs: hourMs, type: "a", counts },
            { startMs: hourMs, type: "b", counts },
          ],
        });
        const read = async (fromMs: number, type?: string): Promise<readonly string[]> => {
          const figures = await store.figures({
            resolution: "minute",
            fromMs,
            ...(type === undefined ? {} : { type }),
          });
          return figures.map((each) => `${each.type}${(each.startMs - hourMs) / MINUTE_MS}`);
        };
        assert.deepEqual(await read(hourMs), ["a0", "b0", "b1"]);
        assert.deepEqual(await read(hourMs, "b"), ["b0", "b1"]);
        assert.deepEqual(await read(hourMs + MINUTE_MS), ["b1"]);
        assert.deepEqual(await read(hourMs, "c"), []);
      },
    },
    {
      name: "are forgotten by the sweep: minutes after a day, hours after a month",
      needs,
      async run({ store, now, advance }) {
        const startMs = windowStartMs("minute", await now());
        await store.addFigures({ figures: [{ startMs, type: "a", counts: { succeeded: 1 } }] });
        const kept = async (): Promise<readonly number[]> => {
          while ((await store.sweep({ limit: 100 })).more);
          const minutes = await store.figures({ resolution: "minute", fromMs: 0 });
          const hours = await store.figures({ resolution: "hour", fromMs: 0 });
          return [minutes.length, hours.length];
        };
        assert.deepEqual(await kept(), [1, 1]);
        await advance(25 * HOUR_MS);
        assert.deepEqual(await kept(), [0, 1]);
        await advance(32 * 24 * HOUR_MS);
        assert.deepEqual(await kept(), [0, 0]);
      },
    },
    {
      name: "that are not whole counts of a whole minute are refused",
      needs,
      async run({ store }) {
        const refused = async (startMs: number, count: number): Promise<void> =>
          assert.rejects(
            store.addFigures({ figures: [{ startMs, type: "a", counts: { succeeded: count } }] }),
            { code: "INVALID_ARGUMENT" },
          );
        await refused(1, 1);
        await refused(0, -1);
        await refused(0, 0.5);
      },
    },
  ],
};
