// A store and a service on it, for the tests of a file that ask both the same.
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type Finished, type Running, run, scratch, startCommand } from "./command-line.ts";

export const TOKEN = "a-token-of-the-tests";
/** How a command line can reach the jobs. */
export const WAYS = ["a store", "a service"] as const;
type Way = (typeof WAYS)[number];

export interface StoreAndService {
  readonly directory: string;
  readonly store: string;
  readonly url: string;
  /** The flags that reach the jobs in this way; the token is in the environment. */
  flags(way: Way): readonly string[];
  /** Runs a command that reaches the jobs in this way. */
  ask(way: Way, ...args: readonly string[]): Promise<Finished>;
}

/** Starts them before the tests of this file, and ends them after. To be used within tests. */
export function useStoreAndService(): StoreAndService {
  let directory: Awaited<ReturnType<typeof scratch>>;
  let store = "";
  let service: Running | undefined;
  let url = "";
  beforeAll(async () => {
    directory = await scratch();
    store = `sqlite:${join(directory.path, "jobs.db")}`;
    const env = { MILLRACE_STORE: store, MILLRACE_TOKEN: TOKEN, MILLRACE_PORT: "0" };
    service = startCommand(["start"], { env });
    url = await service.line(/"url":"([^"]+)".*job service listening/);
  });
  afterAll(async () => {
    await service?.stop();
    await directory[Symbol.asyncDispose]();
  });
  const flags = (way: Way): readonly string[] =>
    way === "a store" ? ["--store", store] : ["--url", url];
  return {
    get directory() {
      return directory.path;
    },
    get store() {
      return store;
    },
    get url() {
      return url;
    },
    flags,
    ask: (way, ...args) => run([...args, ...flags(way)], { env: { MILLRACE_TOKEN: TOKEN } }),
  };
}
