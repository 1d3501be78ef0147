// The launchers that Millrace brings, by the suite that a launcher of one's own is judged by.
import { chmod, copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createContainerLauncher,
  createHttpLauncher,
  createProcessLauncher,
  createThreadLauncher,
} from "millrace";
import { type ListeningService, listenJobService } from "millrace/http";
import { type OpenedLauncher, describeLauncher, performLauncherAct } from "millrace/testing";
import { describe, expect, test, vi } from "vitest";
import { scratch } from "../cli/command-line.ts";
import { processesWith, uniqueTag } from "../fleet/programs.ts";
import { freePort } from "../http/service.ts";
import { startCallbackService, startFunctionService, workRemotely } from "./elsewhere.ts";

// The cases are apart from each other, and most of their time is waiting.
const api = { describe: describe.concurrent, test };
const file = (name: string): string =>
  fileURLToPath(new URL(`./programs/${name}`, import.meta.url));

/** A program whose processes can be counted. */
function program(options: object, ...words: string[]): OpenedLauncher {
  const tag = uniqueTag();
  const countRunning = (): number => processesWith(tag).length;
  return {
    launchers: [createProcessLauncher()],
    handler: {
      launch: {
        launcher: "process",
        options: { command: [process.execPath, file("conforming.mjs"), tag, ...words], ...options },
      },
    },
    countRunning,
  };
}

describeLauncher("in process", { open: () => ({ handler: { run: performLauncherAct } }) }, api);
describeLauncher(
  "thread",
  {
    open: () => ({
      launchers: [createThreadLauncher()],
      handler: {
        launch: {
          launcher: "thread",
          options: { module: new URL("./programs/conforming-module.mjs", import.meta.url) },
        },
      },
    }),
  },
  api,
);
describeLauncher("process, a program for each job", { open: () => program({}) }, api);
describeLauncher(
  "process, programs kept warm",
  {
    open: () => {
      // They stay between jobs: only when the launcher stops none may be left.
      const { countRunning, ...opened } = program({ warm: true }, "--warm");
      const close = async (): Promise<void> => {
        await vi.waitFor(() => expect(countRunning?.()).toBe(0));
      };
      return { ...opened, close };
    },
  },
  api,
);
describeLauncher(
  "container, by an engine that only starts programs",
  {
    open: async () => {
      const directory = await scratch();
      const engine = join(directory.path, "engine");
      await copyFile(file("engine.sh"), engine);
      await chmod(engine, 0o755);
      const tag = uniqueTag();
      const command = [process.execPath, file("conforming.mjs"), tag];
      return {
        launchers: [createContainerLauncher({ engine })],
        handler: { launch: { launcher: "container", options: { image: "none", command } } },
        countRunning: () => processesWith(tag).length,
        close: () => directory[Symbol.asyncDispose](),
      };
    },
  },
  api,
);

const silent = "an answer has no progress and no lines";
describeLauncher(
  "http",
  {
    open: async () => {
      const service = await startFunctionService();
      return {
        launchers: [createHttpLauncher({ allowedHosts: ["127.0.0.1"] })],
        handler: { launch: { launcher: "http", options: { url: service.url } } },
        countRunning: service.countRunning,
        close: () => service[Symbol.asyncDispose](),
      };
    },
    skip: {
      "passes on progress and log lines": silent,
      "puts a job off without counting the try": "an answer asks for a later try, which counts",
    },
  },
  api,
);
describeLauncher(
  "http, with an outcome that comes later",
  {
    open: async () => {
      const functions = await startCallbackService();
      const port = await freePort();
      let service: ListeningService | undefined;
      return {
        launchers: [
          createHttpLauncher({
            allowedHosts: ["127.0.0.1"],
            callbackUrl: `http://127.0.0.1:${port}/`,
          }),
        ],
        handler: { launch: { launcher: "http", options: { url: functions.url } } },
        countRunning: functions.countRunning,
        attend: async (mill) => {
          service = await listenJobService({ operations: mill, port });
        },
        close: async () => {
          await service?.close();
          await functions[Symbol.asyncDispose]();
        },
      };
    },
  },
  api,
);
describeLauncher(
  "remote",
  {
    open: () => {
      const ended = new AbortController();
      let running = 0;
      let service: ListeningService | undefined;
      let working: Promise<void> | undefined;
      return {
        handler: { launch: { launcher: "remote" } },
        countRunning: () => running,
        attend: async (mill) => {
          service = await listenJobService({ operations: mill, port: 0 });
          const at = { max: 50, signal: ended.signal };
          working = workRemotely(service.url, ["conforming"], at, (change) => (running += change));
        },
        close: async () => {
          ended.abort();
          await working;
          await service?.close();
        },
      };
    },
    skip: {
      "lets a job finish when its worker stops": "its worker is not this process's to stop",
      "gives back a job that does not finish when its worker stops":
        "its worker is not this process's to stop",
    },
  },
  api,
);
