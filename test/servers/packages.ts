// Packages of Debian and Ubuntu that tests need, installed where they run as root.
import { spawnSync } from "node:child_process";

/** Installs a package where that can be done; whether it is there is for the caller to see. */
export function installPackage(name: string): void {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || spawnSync("apt-get", ["--version"]).status !== 0) return;
  aptGet("update");
  aptGet("install", "-y", "--no-install-recommends", name);
}

function aptGet(...args: readonly string[]): void {
  // Another test run may be installing too: its lock is waited for.
  spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=120", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}
