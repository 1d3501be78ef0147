// What the launchers' conformance suite needs of a launcher's tests.
import type { JobHandler } from "../../core/define-job.ts";
import type { Launcher, Millrace } from "../../runtime/index.ts";
import type { LauncherActInput } from "./acts.ts";

/** The launcher under test. */
export interface LauncherHarness {
  /** Makes what one case works with. Called once for each case. */
  readonly open: () => OpenedLauncher | Promise<OpenedLauncher>;
  /** Cases that this kind of launcher can't pass, by name, each with its reason. */
  readonly skip?: Readonly<Record<string, string>>;
}

/** A launcher for one case, and what goes with it. */
export interface OpenedLauncher {
  /** What is passed to `openMillrace`; absent where Millrace brings the launcher. */
  readonly launchers?: readonly Launcher[];
  /** `{ launch: { launcher, options } }` of a job type whose handler does what `LAUNCHER_ACTS` say. */
  readonly handler: Pick<JobHandler<LauncherActInput, unknown>, "run" | "launch">;
  /** Called before the case begins, with the Millrace that it works with: starts a service on it, for instance. */
  readonly attend?: (mill: Millrace) => PromiseLike<void>;
  /** How many handlers run right now. It must come down to 0 when a job was ended by force. */
  readonly countRunning?: () => number | Promise<number>;
  /** Called when the case is over and Millrace is closed. */
  readonly close?: () => PromiseLike<void>;
}
