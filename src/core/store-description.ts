// How a store describes itself: durability, capabilities, and the findings that `doctor` prints.

/**
 * When a call is acknowledged. `memory`: at once, a process end loses it; `os`: written, a crash of the process loses
 * nothing, a loss of power may; `fsync`: on disk; `replicated`: on replicas too.
 */
export const DURABILITIES = ["memory", "os", "fsync", "replicated"] as const;
/** One of {@link DURABILITIES}. */
export type Durability = (typeof DURABILITIES)[number];

/** What a store may be able to do beyond the least. */
export const CAPABILITIES = [
  /** Cancel a running job from any process. */
  "cancel-running",
  /** Required labels on jobs. */
  "labels",
  /** Head starts of jobs over others: priorities. */
  "priorities",
  /** Log lines kept with the job. */
  "logs",
  /** Lists filtered by tag. */
  "tags",
  /** Results awaited and events followed across processes. */
  "events",
  /** Schedules. */
  "schedules",
  /** Counts of jobs by type and outcome, and quantiles of their times, kept by the minute and the hour. */
  "figures",
  /** Limits over all workers: concurrency, rates, turns among keys, push-back. */
  "limits",
  /** One job of a key while it waits, runs or is unfinished, and debouncing. */
  "unique",
  /** Workflow runs: jobs with a record, whose steps are jobs. */
  "workflows",
  /** Orders beyond cancel, retry and remove; whatever a filter fits changed step by step; filters beyond the tag. */
  "bulk",
  /** Jobs that wait moved to another queue. */
  "requeue",
  /** Where a ready job stands in its queue. */
  "places",
  /** Queues that take nothing new in. */
  "drain",
] as const;
/** One of {@link CAPABILITIES}. */
export type Capability = (typeof CAPABILITIES)[number];

/** One thing that `doctor` found. */
export interface Finding {
  readonly level: "ok" | "warning" | "problem";
  /** What was found and, unless it is ok, how to mend it. */
  readonly message: string;
}

/** What a store is, in data. */
export interface StoreDescription {
  /** `sqlite`, `redis`, ... */
  readonly kind: string;
  readonly version: string;
  /** Where it is, without credentials. */
  readonly location: string;
  readonly namespace: string;
  readonly durability: Durability;
  /** What can be lost, in a sentence. */
  readonly canLose: string;
  readonly findings: readonly Finding[];
  /** Whether it refuses what is new for want of room (`STORE_FULL`), or may refuse the next. */
  readonly isFull: boolean;
  /** The store's clock, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Figures worth a line: file sizes, schema version, connected clients. */
  readonly facts: Readonly<Record<string, string | number>>;
}
