import { expect, test } from "vitest";
import { type Logger, createLogger, isEnabled, silentLogger } from "./logger.ts";

test("lines below a logger's level are not worth building", () => {
  const logger = createLogger("warn");
  expect(isEnabled(logger, "info")).toBe(false);
  expect(isEnabled(logger, "warn")).toBe(true);
});

test("nothing is worth building for the silent logger", () => {
  expect(isEnabled(silentLogger, "error")).toBe(false);
});

test("a logger that can't tell gets every line", () => {
  const untold: Logger = Object.assign({}, silentLogger, { isLevelEnabled: undefined });
  expect(isEnabled(untold, "debug")).toBe(true);
});
