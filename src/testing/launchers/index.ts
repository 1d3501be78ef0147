// The door of the launchers' conformance suite: what makes a way to run handlers a launcher.
import type { TestApi } from "../conformance/index.ts";
import { withLauncher } from "./bench.ts";
import { endingCases } from "./endings.ts";
import type { LauncherHarness } from "./harness.ts";
import { outcomeCases } from "./outcomes.ts";
import { tellingCases } from "./telling.ts";

export {
  LAUNCHER_ACTS,
  type LauncherAct,
  type LauncherActInput,
  performLauncherAct,
} from "./acts.ts";
export type { LauncherHarness, OpenedLauncher } from "./harness.ts";

const CASES = [...outcomeCases, ...tellingCases, ...endingCases];

/**
 * Declares the whole suite for one launcher: results, failures of every kind, retries, timeout, cancellation, a lost
 * lease, progress, log lines, masking, stopping, bounds. A case that does not apply is declared as skipped, with its
 * reason.
 *
 * @throws Error when the harness skips a case that does not exist
 * @example
 * import { describe, test } from "vitest";
 * const open = () => ({
 *   launchers: [createMyLauncher()],
 *   handler: { launch: { launcher: "mine", options } },
 * });
 * describeLauncher("my launcher", { open }, { describe, test });
 */
export function describeLauncher(name: string, harness: LauncherHarness, api: TestApi): void {
  const names = new Set(CASES.map((each) => each.name));
  const unknown = Object.keys(harness.skip ?? {}).filter((each) => !names.has(each));
  if (unknown.length > 0) throw new Error(`no such cases to skip: ${unknown.join("; ")}`);
  api.describe(`${name} as a launcher`, () => {
    for (const each of CASES) {
      const reason = harness.skip?.[each.name];
      const run = (): Promise<void> => withLauncher(harness, each);
      if (reason === undefined) api.test(each.name, run);
      else api.test.skip(`${each.name} (skipped: ${reason})`, run);
    }
  });
}
