// The door of Millrace for an application's tests.
export type { EnqueuedJob, ExpectedJob } from "./enqueued.ts";
export { type TestMillrace, type TestMillraceOptions, openTestMillrace } from "./test-millrace.ts";
