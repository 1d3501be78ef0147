// A disk that is soon full: a tmpfs of a few megabytes, mounted in a namespace that ends with the program.
import { spawnSync } from "node:child_process";

/** Why no small disk can be had here; `null` when it can. */
export function missingSmallDisk(): string | null {
  if (process.platform !== "linux") return "needs Linux (mount namespaces)";
  const [command, ...args] = [...namespaced(), "sh", "-c", "mount -t tmpfs tmpfs /mnt"];
  const tried = spawnSync(command, args);
  if (tried.error !== undefined) return "needs unshare (util-linux)";
  if (tried.status === 0) return null;
  return `needs root or user namespaces, to mount a tmpfs: ${String(tried.stderr).trim()}`;
}

/** Runs a command that finds a disk of this size at a directory; nobody else sees it, and nothing is left of it. */
export function onSmallDisk(directory: string, bytes: number): readonly string[] {
  const script = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"';
  return [...namespaced(), "sh", "-c", script, "sh", String(bytes), directory];
}

/** Root takes a namespace of its own; others become root in a namespace of users first. */
function namespaced(): readonly string[] {
  return process.getuid?.() === 0
    ? ["unshare", "--mount"]
    : ["unshare", "--user", "--map-root-user", "--mount"];
}
