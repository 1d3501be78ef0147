// The launcher that workflows show: their runs are driven by the worker itself, and never launched.
import { MillraceError } from "../../core/errors.ts";
import type { Launcher } from "./launcher.ts";

/** Stands for what drives runs wherever launchers are named. */
export const workflowLauncher: Launcher = {
  name: "workflow",
  startsPrograms: false,
  launch: async (request) => {
    throw new MillraceError("LAUNCH_FAILED", {
      message: `${request.job.type} is a workflow: declare it with defineWorkflow, and pass it to openMillrace({ jobs: [...] })`,
    });
  },
};
