// Signals: the first closes, a second one ends the process, an echo of the first is none.
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "./logging/logger.ts";
import { ECHO_MS, stopOnSignals } from "./stop-on-signals.ts";

const close = vi.fn<() => Promise<void>>(async () => undefined);
const exit = vi.fn<(code?: unknown) => never>();
let signals: EventEmitter;
let undo: () => void;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  signals = new EventEmitter();
  const source = Object.assign(signals, { exit }) as unknown as NodeJS.Process;
  undo = stopOnSignals(close, silentLogger, source);
});
afterEach(() => {
  vi.useRealTimers();
  vi.clearAllMocks();
});

test("one key press that arrives twice, from the terminal and through npm, closes once and ends nothing", () => {
  signals.emit("SIGINT", "SIGINT");
  vi.advanceTimersByTime(ECHO_MS - 1);
  signals.emit("SIGINT", "SIGINT");
  expect(close).toHaveBeenCalledTimes(1);
  expect(exit).not.toHaveBeenCalled();
});

test("a second signal ends the process, whichever it is", () => {
  signals.emit("SIGTERM", "SIGTERM");
  vi.advanceTimersByTime(ECHO_MS);
  signals.emit("SIGINT", "SIGINT");
  expect(close).toHaveBeenCalledTimes(1);
  expect(exit).toHaveBeenCalledWith(130);
});

test("undone, it hears no signal", () => {
  undo();
  expect(signals.eventNames()).toEqual([]);
});
