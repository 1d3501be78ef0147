// Options of a wrong kind, wherever something is declared or opened: refused at once, with what came.
import { expect, test } from "vitest";
import { collect, defineCollectJob, openFleet } from "./fleet/index.ts";
import { createHttpOperations, createJobService, listenJobService } from "./http/index.ts";
import {
  createDirectoryBlobs,
  defineJob,
  defineWorkflow,
  graphs,
  moveBetween,
  openMillrace,
  silentLogger,
  stopOnSignals,
} from "./index.ts";
import { Aggregator, LookupTable, Rollup } from "./rollup/index.ts";
import { openTestMillrace } from "./testing/index.ts";

const NO_OBJECTS = [null, 7, "text", [], 1n, () => 1, Promise.resolve({})] as const;
const NO_LISTS = [7, "text", {}, 1n] as const;
const NO_FUNCTIONS = [null, 7, "text", {}, []] as const;

const declare = (options: object): unknown => defineJob({ name: "job", run: () => 1, ...options });
const open = (options: object): unknown =>
  openMillrace({ store: "memory:", logger: false, ...options } as never);
const fleet = (options: object): unknown =>
  openFleet({ command: ["/bin/true"], size: 0, ...options });

type Given = (wrong: never) => unknown;

const OPTIONS: readonly (readonly [what: string, given: Given, wrong: readonly unknown[]])[] = [
  ["defineJob", defineJob, [undefined, ...NO_OBJECTS]],
  ["run of a job type", (run) => declare({ run }), NO_FUNCTIONS],
  ["retry", (retry) => declare({ retry }), NO_OBJECTS],
  ["redact", (redact) => declare({ redact }), [null, ...NO_LISTS, [7]]],
  ["limits", (limits) => declare({ limits }), [...NO_LISTS, [null], [7]]],
  ["unique", (unique) => declare({ unique }), [...NO_OBJECTS, false]],
  ["debounce", (debounce) => declare({ debounce }), NO_OBJECTS],
  ["throttle", (throttle) => declare({ throttle }), NO_OBJECTS],
  ["priority", (priority) => declare({ priority }), ["1", [], 1n, Number.NaN]],
  ["concurrency", (concurrency) => declare({ concurrency }), [0, "1", 1n, Object.create(null)]],
  ["launch", (launch) => defineJob({ name: "job", launch }), [...NO_OBJECTS, {}, { launcher: 7 }]],
  ["batch", (batch) => defineJob({ name: "job", batch }), NO_OBJECTS],
  ["defineWorkflow", defineWorkflow, [undefined, ...NO_OBJECTS]],
  ["graphs", graphs, [undefined, ...NO_LISTS, [null]]],
  ["openMillrace", openMillrace, NO_OBJECTS],
  ["durability", (durability) => open({ durability }), ["sync", 7, {}]],
  ["logger", (logger) => open({ logger }), [null, true, 7, "info", {}, []]],
  ["launchers", (launchers) => open({ launchers }), [...NO_LISTS, [null], [{}]]],
  ["a store of one's own", (store) => open({ store }), [{}, []]],
  ["worker", (worker) => open({ worker }), NO_OBJECTS],
  ["worker.queues", (queues) => open({ worker: { queues } }), NO_LISTS],
  ["worker.pollInterval", (pollInterval) => open({ worker: { pollInterval } }), [0, "0s"]],
  ["worker.sweepInterval", (sweepInterval) => open({ worker: { sweepInterval } }), [0, 0.4]],
  ["blobs", (blobs) => open({ blobs }), [...NO_OBJECTS, { store: 7 }]],
  ["createDirectoryBlobs", createDirectoryBlobs, [undefined, ...NO_OBJECTS, {}]],
  ["moveBetween", moveBetween, [undefined, ...NO_OBJECTS, {}]],
  ["stopOnSignals", (close) => stopOnSignals(close, silentLogger), [undefined, ...NO_FUNCTIONS]],
  ["openTestMillrace", openTestMillrace, [undefined, ...NO_OBJECTS]],
  ["createHttpOperations", createHttpOperations, [undefined, ...NO_OBJECTS, { url: 1n }]],
  [
    "a token",
    (token) => createHttpOperations({ url: "http://127.0.0.1:8000", token }),
    [null, 7, {}, 1n],
  ],
  ["createJobService", createJobService, [undefined, ...NO_OBJECTS, {}]],
  ["operations", (operations) => createJobService({ operations, access: {} }), NO_OBJECTS],
  ["listenJobService", listenJobService, [undefined, ...NO_OBJECTS, {}]],
  ["openFleet", openFleet, [undefined, ...NO_OBJECTS]],
  ["command", (command) => fleet({ command }), [undefined, null, 7, {}, [7], [null]]],
  ["size", (size) => fleet({ size }), [-1, "1", 1n, Symbol("size"), Object.create(null)]],
  ["ports", (ports) => fleet({ ports }), [null, 7, []]],
  ["env", (env) => fleet({ env }), [null, 7, ["A"], { A: 7 }]],
  ["collect", collect, [undefined, ...NO_OBJECTS]],
  ["defineCollectJob", defineCollectJob, [undefined, ...NO_OBJECTS]],
  ["Rollup", (options) => new Rollup(options), [undefined, ...NO_OBJECTS, { window: 7 }]],
  [
    "its key",
    (key) => new Rollup({ window: { size: "1s" }, key, sinks: [] }),
    [undefined, null, 7, "source", {}],
  ],
  ["Aggregator", (options) => new Aggregator(options), NO_OBJECTS],
  ["LookupTable", (options) => new LookupTable(options), [...NO_OBJECTS, { maxAssociations: 0 }]],
];

test.each(OPTIONS)("%s of a wrong kind is refused", async (_, given, wrongs) => {
  for (const wrong of wrongs) {
    const refused = (async () => given(wrong as never))();
    await expect(refused).rejects.toMatchObject({
      name: "MillraceError",
      code: "INVALID_ARGUMENT",
    });
  }
});

test("a time limit of nothing is refused wherever something is tried", async () => {
  const sinks = [{ name: "print", deliver: async () => {} }];
  expect(
    () => new Rollup({ window: { size: "1s" }, key: ["a"], sinks, attemptTimeout: 0 }),
  ).toThrow("attemptTimeout is 0; expected at least 1 ms");
  const program = { command: ["/bin/true"], url: "http://localhost:{port}/" } as const;
  const asked = { ...program, samples: 1, workers: 1, stallTimeout: "0s" } as const;
  const collecting = (async () => collect(asked))();
  await expect(collecting).rejects.toThrow('stallTimeout is "0s"; expected at least 1 ms');
});

test("a store that is no URL, and a service that nobody may use, say what was expected", async () => {
  for (const store of [null, 7, 1n]) {
    await expect(open({ store })).rejects.toMatchObject({ code: "INVALID_CONFIG" });
  }
  await using mill = await openTestMillrace({});
  expect(() => createJobService({ operations: mill } as never)).toThrow(
    "the service has no tokens",
  );
});
