// The in-process launcher: a handler is a function called on this event loop.
import type { JobContext } from "../../core/define-job.ts";
import type { Launcher } from "./launcher.ts";

type Handler = (context: JobContext<unknown>) => unknown;

/** Runs handlers as functions in this process. A function can't be killed: after the grace its word no longer counts. */
export const inProcessLauncher: Launcher = {
  name: "in-process",
  // The option is the function itself, and a request has all that a handler's context needs.
  launch: async (request) => (request.options as Handler)(request),
};
