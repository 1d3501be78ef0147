// What the conformance suite needs of a store's tests, and of a test framework.
import type { Capability } from "../../core/store-description.ts";
import type { JobId } from "../../core/ids.ts";
import type { Store } from "../../core/store.ts";
import type { Difference } from "../model/differences.ts";
import type { World } from "./world.ts";

/** Opens the store under test and moves its clock. */
export interface StoreHarness {
  /** A new store object. Two of one namespace share their data where `isShared` is true. */
  open(options: { readonly namespace: string }): Promise<Store>;
  /** Lets time pass for every store opened: at least this long, in milliseconds. */
  advance(durationMs: number): Promise<void> | void;
  /** Whether a second store object can be opened on the same data. */
  readonly isShared: boolean;
  /** What the store says that it can do; cases that need more are skipped. */
  readonly capabilities: readonly Capability[];
  /**
   * Whether a job is of those that the store keeps in one order: with queues cut in partitions, the jobs of one of
   * them. Absent: all of a queue are. Cases about order work with such jobs only.
   */
  readonly keepsOrderOf?: (id: JobId) => boolean;
  /** Cases that this store can't pass, by name, each with its reason. */
  readonly skip?: Readonly<Record<string, string>>;
  /** What the store chooses otherwise when it hands out jobs, each with its reason: the reference model bears it. */
  readonly differences?: Readonly<Partial<Record<Difference, string>>>;
}

/** The two functions of a test framework that the suite uses: those of vitest and of `node:test` fit. */
export interface TestApi {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly test: ((name: string, body: () => Promise<void>) => unknown) & {
    readonly skip: (name: string, body: () => Promise<void>) => unknown;
  };
}

/** What a case may need beyond the least. */
export type Need = Capability | "second-object";

/** One statement about stores, and how it is shown. */
export interface StoreCase {
  /** Unique in the suite, and read as a sentence after the topic's name. */
  readonly name: string;
  readonly needs?: readonly Need[];
  /** Whether it rests on the order in which jobs of one queue are claimed. */
  readonly isAboutOrder?: boolean;
  run(world: World): Promise<void>;
}

/** Cases about one side of a store. */
export interface Topic {
  readonly name: string;
  readonly cases: readonly StoreCase[];
}

/** Why a case is not run against a store; `undefined` where it is. */
export function reasonToSkip(storeCase: StoreCase, harness: StoreHarness): string | undefined {
  const stated = harness.skip?.[storeCase.name];
  if (stated !== undefined) return stated;
  const lacking = (storeCase.needs ?? []).find((need) =>
    need === "second-object" ? !harness.isShared : !harness.capabilities.includes(need),
  );
  if (lacking === undefined) return undefined;
  return lacking === "second-object"
    ? "its data can't be shared by two store objects"
    : `it has no capability "${lacking}"`;
}
