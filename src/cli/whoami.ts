// Who runs this command, for what is written down with a change.
import { userInfo } from "node:os";

/** The user's name; `"unknown"` where there is none. */
export function whoami(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return "unknown";
  }
}
