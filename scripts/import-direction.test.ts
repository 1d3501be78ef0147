import { expect, test } from "vitest";
import { findViolations } from "./import-direction.ts";

const check = (path: string, text: string): readonly string[] => findViolations([{ path, text }]);

test("imports along the direction, and within a room, are fine", () => {
  expect(check("src/runtime/worker.ts", 'import { a } from "../core/index.ts";')).toEqual([]);
  expect(check("src/runtime/worker.ts", 'export * from "./client.ts";')).toEqual([]);
  expect(check("src/stores/sqlite/store.ts", 'import { a } from "../shared.ts";')).toEqual([]);
  expect(check("src/index.ts", 'export * from "./runtime/index.ts";')).toEqual([]);
});

test.each([
  ["an import", 'import { a } from "../runtime/index.ts";'],
  ["an import of types", 'import type { A } from "../runtime/index.ts";'],
  ["an export", 'export { a } from "../runtime/index.ts";'],
  ["an export of everything", 'export * from "../runtime/index.ts";'],
  ["an import for its effect", 'import "../runtime/index.ts";'],
  ["an import at run time", 'const a = await import("../runtime/index.ts");'],
])("%s against the direction is refused", (_, text) => {
  expect(check("src/stores/open.ts", text)).toEqual([
    'src/stores/open.ts imports "../runtime/index.ts": stores may not import runtime',
  ]);
});

test("what only looks like an import is none", () => {
  expect(
    check("src/core/a.ts", '// import "../runtime/index.ts"\nconst a = `from "node:fs"`;'),
  ).toEqual([]);
});

test("a room is entered by its door, the core by any of its files", () => {
  expect(check("src/runtime/worker.ts", 'import { a } from "../stores/open.ts";')).toEqual([
    'src/runtime/worker.ts imports "../stores/open.ts": other rooms come in by the door, stores/index.ts',
  ]);
  expect(check("src/runtime/worker.ts", 'import { a } from "../core/job.ts";')).toEqual([]);
});

test("the core takes nothing from outside but the types of a schema", () => {
  const schema = '"@standard-schema/spec"';
  expect(check("src/core/a.ts", `import type { A } from ${schema};`)).toEqual([]);
  expect(check("src/core/a.ts", `import { a } from ${schema};`)).toHaveLength(1);
  expect(check("src/core/a.ts", 'import { randomUUID } from "node:crypto";')).toHaveLength(1);
});

test("an optional peer is asked for only by its own store", () => {
  expect(check("src/stores/redis/connect.ts", 'import { Redis } from "ioredis";')).toEqual([]);
  expect(check("src/runtime/client.ts", 'import { Redis } from "ioredis";')).toHaveLength(1);
});

test("a room without a place is refused", () => {
  expect(check("src/attic/a.ts", 'import { a } from "../core/index.ts";')).toEqual([
    'src/attic/a.ts imports "../core/index.ts": the room attic has no place in scripts/import-direction.ts',
  ]);
});
