// Test projects: `unit` needs no service and no network; `integration` starts what it needs by itself.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/**
 * How long a test waits for what it expects: many times what a busy machine of two cores needs. A wait ends when the
 * condition holds, so a long bound costs nothing where it does.
 */
const WITHIN_MS = 30_000;

/** Suites against a real Redis server and a real Cluster, which are started for all of them together. */
const REDIS_SUITES = "test/stores/{redis,bullmq}*.test.ts";

/**
 * Node strips types in WebAssembly, in every thread anew. V8 13.6 (Node 24.21) can die when the calls out of it are
 * compiled in two threads at once (SIGTRAP or SIGSEGV in Runtime_TierUpWasmToJSWrapper; 2 of 7 runs of
 * test/stores/sqlite-file.test.ts, which starts some hundred store threads, on a busy machine): so many calls are never
 * made, and the compile cache keeps what was stripped, so that after the first time there is nothing to strip (82 s of
 * processor time for that file, 29 s with it).
 */
const NO_WRAPPER_TIERING = "--wasm-wrapper-tiering-budget=2000000000";
const COMPILE_CACHE = fileURLToPath(new URL("node_modules/.cache/node-compile", import.meta.url));

const shared = {
  resolve: { conditions: ["millrace-source"] },
  ssr: { resolve: { conditions: ["millrace-source"] } },
};

const inProcess = { env: { NODE_COMPILE_CACHE: COMPILE_CACHE }, execArgv: [NO_WRAPPER_TIERING] };

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          ...inProcess,
          name: "unit",
          include: ["{src,scripts,bench}/**/*.test.ts"],
          testTimeout: WITHIN_MS,
          expect: { poll: { timeout: WITHIN_MS } },
        },
      },
      {
        ...shared,
        test: {
          ...inProcess,
          name: "integration",
          include: ["test/**/*.test.ts"],
          exclude: [REDIS_SUITES],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: WITHIN_MS } },
        },
      },
      {
        ...shared,
        test: {
          ...inProcess,
          name: "redis",
          include: [REDIS_SUITES],
          globalSetup: "test/servers/shared-redis.ts",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: WITHIN_MS } },
        },
      },
    ],
  },
});
