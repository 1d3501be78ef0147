// Statements about what a handler tells, and about what must not be shown of it.
import assert from "node:assert/strict";
import { type LauncherBench, type LauncherCase, SECRET, TELLING_CASE } from "./bench.ts";

export const tellingCases: readonly LauncherCase[] = [
  {
    name: TELLING_CASE,
    run: async ({ mill, run }) => {
      const { id, progress } = await run("tell");
      assert.equal((progress as { readonly done?: unknown } | null)?.done, 0.5);
      const lines = (await mill.logs(id)).map(({ level, message }) => `${level} ${message}`);
      assert.ok(
        lines.some((line) => line.startsWith("info told")),
        `the lines are ${JSON.stringify(lines)}`,
      );
    },
  },
  {
    name: "shows no secret of the input, whatever the handler tells or throws",
    run: async (bench) => {
      await bench.run("tell");
      await bench.run("fail");
      await assertNoSecret(bench);
    },
  },
];

async function assertNoSecret({ mill, logged }: LauncherBench): Promise<void> {
  const { jobs } = await mill.jobs();
  const lines = await Promise.all(jobs.map(({ id }) => mill.logs(id)));
  for (const [where, shown] of Object.entries({ jobs, lines, logged })) {
    assert.ok(!JSON.stringify(shown).includes(SECRET), `a secret is shown in the ${where}`);
  }
}
