// A plain Go client with gorilla/websocket, in a process of its own, built where Go and the library are installed.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Client, Sample } from "./client.ts";

/** The workspaces Go may have the library in: the user's own, and where Debian's package puts it. */
const WORKSPACES = [process.env["GOPATH"] ?? join(homedir(), "go"), "/usr/share/gocode"];
const LIBRARY = "src/github.com/gorilla/websocket";
const SOURCE = new URL("./gorilla/main.go", import.meta.url).pathname;

/** Whether this machine can build the client. */
export function hasGorilla(): boolean {
  const hasGo = (process.env["PATH"] ?? "")
    .split(":")
    .some((folder) => existsSync(join(folder, "go")));
  return hasGo && WORKSPACES.some((workspace) => existsSync(join(workspace, LIBRARY)));
}

/** Builds the client. */
export function buildGorilla(binary: string): void {
  const built = spawnSync("go", ["build", "-o", binary, SOURCE], {
    env: { ...process.env, GO111MODULE: "off", GOPATH: WORKSPACES.join(":"), GOFLAGS: "" },
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(`go build failed: ${built.stderr}`);
}

/** The client that `buildGorilla` made. */
export function createGorilla(binary: string): Client {
  let child: ChildProcess;
  let lines: Interface;
  function ask(what: string): Promise<Sample & { readonly memoryBytes: number }> {
    return new Promise((resolve) => {
      lines.once("line", (line) => resolve(JSON.parse(line) as never));
      child.stdin!.write(`${what}\n`);
    });
  }
  return {
    async connect(url) {
      child = spawn(binary, [url], { stdio: ["pipe", "pipe", "inherit"] });
      lines = createInterface({ input: child.stdout! });
      await ask("sample");
    },
    sample: () => ask("sample"),
    memoryBytes: async () => (await ask("memory")).memoryBytes,
    async stop() {
      child.kill("SIGKILL");
    },
  };
}
