// The door of the whole: `openMillrace`, the runtime with its schedules.
export { openMillrace } from "./open-millrace.ts";
