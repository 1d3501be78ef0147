// Test projects: `unit` needs no service and no network; `integration` starts what it needs by itself.
import { defineConfig } from "vitest/config";

const shared = {
  resolve: { conditions: ["millrace-source"] },
  ssr: { resolve: { conditions: ["millrace-source"] } },
};

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: { name: "unit", include: ["{src,scripts,bench}/**/*.test.ts"] },
      },
      {
        ...shared,
        test: {
          name: "integration",
          include: ["test/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
