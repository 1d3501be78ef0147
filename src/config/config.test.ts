// A wrong config says which field, what was expected and where; the environment has the last word.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { defineJob } from "../core/index.ts";
import { ENVIRONMENT_VARIABLES, applyEnvironment } from "./environment.ts";
import { findLine, loadConfig } from "./load.ts";
import { findConfigIssues } from "./schema.ts";

test("a config with everything in it is fine, and so is an empty one", () => {
  expect(findConfigIssues({})).toEqual([]);
  expect(
    findConfigIssues({
      store: "sqlite:a.db",
      namespace: "shop",
      durability: "fsync",
      jobs: [defineJob({ name: "a", run: () => null })],
      launchers: [{ name: "mine", launch: async () => null }],
      blobs: { store: "dir:blobs", above: 10_000 },
      worker: { concurrency: 5, queues: ["a"], labels: ["gpu"], shutdownGrace: "10s" },
      http: {
        host: "0.0.0.0",
        port: 0,
        tokens: [{ name: "ci", token: "0123456789abcdef", scopes: ["read", "enqueue"] }],
        allowedOrigins: ["https://ops.test"],
      },
      fleets: { renderers: { command: "./renderer --listen {port}", size: 4 } },
      rollups: { traffic: { url: "ws://localhost:5050/ws", every: "60s" } },
      schedules: [{ type: "a", name: "nightly", cron: "0 3 * * *", timeZone: "Europe/Berlin" }],
      log: { level: "silent" },
    }),
  ).toEqual([]);
});

test.each([
  [{ http: { port: "80" } }, ["http", "port"], "expected number"],
  [{ http: { port: 70_000 } }, ["http", "port"], "<=65535"],
  [{ worker: { leaseDuration: "soon" } }, ["worker", "leaseDuration"], "expected milliseconds"],
  [{ jobs: [{ name: "a" }] }, ["jobs", "0"], "defineJob"],
  [{ fleets: { a: { command: "x {prot}", size: 1 } } }, ["fleets", "a"], "placeholder {prot}"],
  [{ fleets: { a: { command: "x", size: -1 } } }, ["fleets", "a"], "size is -1"],
  [{ fleets: { a: {} } }, ["fleets", "a"], ""],
  [{ rollups: { a: { url: "http://x" } } }, ["rollups", "a"], "ws:"],
  [{ rollups: { a: { every: "soon" } } }, ["rollups", "a"], "every"],
  [
    { schedules: [{ type: "a", cron: "0 0 31 4 *" }] },
    ["schedules", "0"],
    "no day of the calendar",
  ],
  [{ schedules: [{ cron: "@daily" }] }, ["schedules", "0"], "expected an object with a type"],
  [{ log: { level: "loud" } }, ["log", "level"], "trace"],
  [{ store: "millrace.db" }, ["store"], "sqlite:PATH"],
  [{ blobs: { store: "blobs" } }, ["blobs"], "dir:PATH"],
  [{ blobs: "dir:blobs" }, ["blobs"], "store"],
  [{ http: { prot: 1 } }, ["http", "prot"], "no such field in http"],
  [{ sotre: "memory:" }, ["sotre"], "no such field; did you mean store?"],
  [{ worker: { concurency: 1 } }, ["worker", "concurency"], "in worker; did you mean concurrency?"],
  [{ log: { levle: "info" } }, ["log", "levle"], "did you mean level?"],
  [{ fleets: { f: { comand: "a", size: 1 } } }, ["fleets", "f"], '"comand"; did you mean command?'],
  [{ rollups: { r: { evry: "1m" } } }, ["rollups", "r"], '"evry"; did you mean every?'],
  [
    { schedules: [{ type: "a", every: "1h", jiter: "1m" }] },
    ["schedules", "0"],
    '"jiter"; did you mean jitter?',
  ],
])("%j is told at its field", (config, path, message) => {
  expect(findConfigIssues(config)).toEqual([
    { path, message: expect.stringContaining(message) as string },
  ]);
});

test("a field is found in the source by the names that lead to it", () => {
  const source = [
    "export default defineConfig({",
    '  store: "sqlite:port.db",',
    "  worker: { concurrency: 3 },",
    "  http: {",
    "    host,",
    '    "port": "80",',
    "  },",
    "});",
  ].join("\n");
  expect(findLine(source, ["http", "port"])).toBe(6);
  expect(findLine(source, ["worker", "concurrency"])).toBe(3);
  expect(findLine(source, ["http", "host"])).toBe(5);
  expect(findLine(source, ["elsewhere"])).toBeNull();
});

test("the environment overrides the file, and leaves the rest as it is", () => {
  const config = applyEnvironment(
    { store: "sqlite:a.db", namespace: "shop", http: { port: 1, host: "::1" } },
    {
      MILLRACE_STORE: "memory:",
      MILLRACE_PORT: "9000",
      MILLRACE_BLOBS: "dir:/srv/blobs",
      MILLRACE_TOKEN: "0123456789abcdef",
      MILLRACE_TOKENS: "ci:read+enqueue:abcdef:0123456789",
      MILLRACE_QUEUES: "mail, reports",
      MILLRACE_LABELS: "gpu,region=eu",
      MILLRACE_CONCURRENCY: "7",
      MILLRACE_LOG_LEVEL: "warn",
      MILLRACE_NAMESPACE: "",
    },
  );
  expect(config).toMatchObject({
    store: "memory:",
    namespace: "shop",
    blobs: { store: "dir:/srv/blobs" },
    http: {
      host: "::1",
      port: 9000,
      tokens: [
        { name: "MILLRACE_TOKEN", token: "0123456789abcdef", scopes: ["admin"] },
        { name: "ci", token: "abcdef:0123456789", scopes: ["read", "enqueue"] },
      ],
    },
    worker: { queues: ["mail", "reports"], labels: ["gpu", "region=eu"], concurrency: 7 },
    log: { level: "warn" },
  });
});

test.each([
  ["MILLRACE_PORT", "80x", "whole number from 0 to 65535"],
  ["MILLRACE_CONCURRENCY", "0", "whole number from 1"],
  ["MILLRACE_LOG_LEVEL", "loud", "one of trace"],
  ["MILLRACE_LOG_FORMAT", "xml", "one of json, text"],
  ["MILLRACE_DURABILITY", "forever", "one of memory"],
  ["MILLRACE_UNAUTHENTICATED", "yes", "private-network"],
])("%s=%s is refused by name", (name, value, expected) => {
  expect(() => applyEnvironment({}, { [name]: value })).toThrow(expected);
  expect(() => applyEnvironment({}, { [name]: value })).toThrow(name);
});

test("a wrong token entry is told by its place, never repeated", () => {
  const wrong = { MILLRACE_TOKENS: "ci:read:fine-token-0123,oops:root:secret-token" };
  expect(() => applyEnvironment({}, wrong)).toThrow("entry 2");
  expect(() => applyEnvironment({}, wrong)).not.toThrow("secret-token");
});

test.each([
  ["MILLRACE_STORE", "nowhere"],
  ["MILLRACE_SHUTDOWN_GRACE", "soon"],
  ["MILLRACE_ALLOWED_ORIGINS", "here"],
])("%s=%s is refused by name when the whole config is checked", async (name, value) => {
  const loading = loadConfig({ directory: import.meta.dirname, environment: { [name]: value } });
  await expect(loading).rejects.toThrow(`${name} is wrong`);
});

test("every environment variable is documented", () => {
  const document = readFileSync("docs/configuration.md", "utf8");
  for (const name of Object.keys(ENVIRONMENT_VARIABLES)) expect(document).toContain(`\`${name}\``);
});
