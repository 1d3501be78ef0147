// The door of the work done elsewhere: remote workers that claim, report and settle through this process.
export type * from "./remote-operations.ts";
export {
  REMOTE_LAUNCHER,
  type RemoteWork,
  type RemoteWorkParts,
  createRemoteWork,
} from "./remote-work.ts";
