// Test projects: `unit` needs no service and no network; `integration` starts what it needs by itself.
import { defineConfig } from "vitest/config";

/**
 * How long a test waits for what it expects: many times what a busy machine of two cores needs. A wait ends when the
 * condition holds, so a long bound costs nothing where it does.
 */
const WITHIN_MS = 30_000;

/** Suites against a real Redis server and a real Cluster, which are started for all of them together. */
const REDIS_SUITES = "test/stores/{redis,bullmq}*.test.ts";

const shared = {
  resolve: { conditions: ["millrace-source"] },
  ssr: { resolve: { conditions: ["millrace-source"] } },
};

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: "unit",
          include: ["{src,scripts,bench}/**/*.test.ts"],
          testTimeout: WITHIN_MS,
          expect: { poll: { timeout: WITHIN_MS } },
        },
      },
      {
        ...shared,
        test: {
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
