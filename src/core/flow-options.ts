// What a developer says of a job type about limits, uniqueness and batches, read and checked.
import { type OptionNames, checkList, checkObject, tellValue } from "./arguments.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { MillraceError } from "./errors.ts";
import {
  type LimitBounds,
  type OnLimit,
  QUEUE_LIMIT,
  type Rate,
  type UniqueWhile,
} from "./flow.ts";
import { checkName } from "./limits.ts";

/** How many may start within a time: `{ limit: 100, per: "1s" }`, or `"100/s"`, `"5/m"`, `"1000/h"`, `"10/2s"`. */
export type RateOptions =
  | string
  | {
      readonly limit: number;
      readonly per: Duration;
      /** How many of them may start at once: by default all, 1 for an even pace. */
      readonly burst?: number;
    };

/** A limit over all workers: of the type's whole queue, or of each key. */
export interface LimitOptions<Input> {
  /** Needed where a type has several: `"queue"` without a key, else `"key"`, unless said. Shared by its queue's types. */
  readonly name?: string;
  /**
   * What a job counts under: a text made of the input, or the path of one of its fields (`"order.customer"`). Keys take
   * fair turns, with or without bounds. `null` or `undefined`: under none. Keys are shown as they are: don't make one
   * of a secret.
   */
  readonly key?: string | ((input: Input) => string | number | null | undefined);
  /** Jobs that run at once, over all workers. */
  readonly concurrency?: number;
  /** Starts within a time, over all workers. */
  readonly rate?: RateOptions;
  /** What becomes of a new job beyond `concurrency`. Default `"wait"`. */
  readonly onLimit?: OnLimit;
}

/** Which jobs are one and the same. One of `while` and `within`; by default while one is unfinished. */
export interface UniqueOptions<Input> {
  /** The whole input (default), some of its fields, or a text made of it. */
  readonly by?: "input" | readonly string[] | ((input: Input) => string);
  readonly while?: UniqueWhile;
  /** For so long after the first, whatever became of it. */
  readonly within?: Duration;
}

/** The newest input wins: a job starts when no other came for `wait`, and `longest` after the first at the latest. */
export interface DebounceOptions<Input> {
  readonly by?: UniqueOptions<Input>["by"];
  readonly wait: Duration;
  readonly longest?: Duration;
}

/** At most one job in so long: the first wins. */
export interface ThrottleOptions<Input> {
  readonly by?: UniqueOptions<Input>["by"];
  readonly per: Duration;
}

/** A handler that takes several jobs at a time. */
export interface BatchOptions<Input> {
  /** Most jobs of one call. */
  readonly size: number;
  /** How long the first of a batch waits for others. Default 0: what was claimed together. */
  readonly within?: Duration;
  /** Only jobs of one key come in one batch. */
  readonly by?: (input: Input) => string | number;
}

/** What a job type says about flow. */
export interface FlowOptions<Input> {
  /** Limits over all workers, for the queue and by key. */
  readonly limits?: readonly LimitOptions<Input>[];
  /** Enqueuing one that stands already gives that one. `true`: by its input, while it is unfinished. */
  readonly unique?: true | UniqueOptions<Input>;
  readonly debounce?: DebounceOptions<Input>;
  readonly throttle?: ThrottleOptions<Input>;
}

/** The names that a rate has, where it is an object. */
export const RATE_NAMES: OptionNames<Exclude<RateOptions, string>> = {
  limit: true,
  per: true,
  burst: true,
};
const LIMIT_NAMES: OptionNames<LimitOptions<never>> = {
  name: true,
  key: true,
  concurrency: true,
  rate: RATE_NAMES,
  onLimit: true,
};
const UNIQUE_NAMES: OptionNames<UniqueOptions<never>> = { by: true, while: true, within: true };
const DEBOUNCE_NAMES: OptionNames<DebounceOptions<never>> = { by: true, wait: true, longest: true };
const THROTTLE_NAMES: OptionNames<ThrottleOptions<never>> = { by: true, per: true };

/** The names of what a job type says about flow. */
export const FLOW_NAMES: OptionNames<FlowOptions<never>> = {
  limits: LIMIT_NAMES,
  unique: UNIQUE_NAMES,
  debounce: DEBOUNCE_NAMES,
  throttle: THROTTLE_NAMES,
};

/** The names of what a job type says about batches. */
export const BATCH_NAMES: OptionNames<BatchOptions<never>> = { size: true, within: true, by: true };

/** What a job type as data says about flow: the same, with paths of fields in the place of functions. */
export interface FlowDeclaration {
  readonly limits?: readonly (Omit<LimitOptions<never>, "key"> & { readonly key?: string })[];
  readonly unique?: true | DataUnique<UniqueOptions<never>>;
  readonly debounce?: DataUnique<DebounceOptions<never>>;
  readonly throttle?: DataUnique<ThrottleOptions<never>>;
}

type DataUnique<Options> = Omit<Options, "by"> & { readonly by?: "input" | readonly string[] };

/** A limit, read. */
export interface LimitRule<Input> extends LimitBounds {
  readonly name: string;
  readonly key: ((input: Input) => string | number | null | undefined) | null;
  readonly onLimit: OnLimit;
}

/** Sameness, read: while a job stands, within a time from its enqueue, or debounced. */
export interface UniqueRule<Input> {
  readonly by: NonNullable<UniqueOptions<Input>["by"]>;
  readonly how:
    | { readonly kind: "while"; readonly while: UniqueWhile }
    | { readonly kind: "within"; readonly ms: number }
    | { readonly kind: "debounce"; readonly waitMs: number; readonly longestMs: number };
}

/** A batch, read. */
export interface BatchRule<Input> {
  readonly size: number;
  readonly withinMs: number;
  readonly by: ((input: Input) => string | number) | null;
}

/** Flow, read. */
export interface FlowRules<Input> {
  readonly limits: readonly LimitRule<Input>[];
  readonly unique: UniqueRule<Input> | undefined;
}

/** Most limits of one job type: each is looked at for each claim. */
export const MAX_LIMITS = 8;
/** Most jobs in one call of a handler. */
export const MAX_BATCH = 1_000;
/** Highest rate and concurrency: beyond it there is none to speak of. */
export const MAX_LIMIT = 1_000_000;
/** How long a debounced job waits at most unless said: this many times its wait. */
const LONGEST_PER_WAIT = 10;

/**
 * Reads what a type says about flow.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readFlow<Input>(type: string, options: FlowOptions<Input>): FlowRules<Input> {
  const limits = checkList(options.limits ?? [], "limits", "limits").map((limit) =>
    readLimit(type, limit),
  );
  if (limits.length > MAX_LIMITS) {
    throw wrong(type, `has ${limits.length} limits; at most ${MAX_LIMITS} are allowed`);
  }
  const names = new Set(limits.map(({ name }) => name));
  if (names.size < limits.length) {
    throw wrong(type, "has two limits of one name; give each limit a name of its own");
  }
  const said = [options.unique, options.debounce, options.throttle].filter(
    (each) => each !== undefined,
  );
  if (said.length > 1) {
    throw wrong(type, "has more than one of unique, debounce and throttle; expected one of them");
  }
  return {
    limits: limits.sort((left, right) => (left.name < right.name ? -1 : 1)),
    unique: readUnique(type, options),
  };
}

function readLimit<Input>(type: string, options: LimitOptions<Input>): LimitRule<Input> {
  const { key, concurrency, rate, onLimit = "wait" } = checkObject(options, "limit");
  const name = checkName(options.name ?? (key === undefined ? QUEUE_LIMIT : "key"), "limit name");
  if (key === undefined && name !== QUEUE_LIMIT) {
    throw wrong(
      type,
      `has the limit ${name} without a key; give it one, or leave out the name for a limit of the whole queue`,
    );
  }
  if (key !== undefined && name === QUEUE_LIMIT) {
    throw wrong(
      type,
      `has a key for the limit ${QUEUE_LIMIT}, which is the whole queue's; give it another name`,
    );
  }
  if (key === undefined && concurrency === undefined && rate === undefined) {
    throw wrong(type, "has a limit without a key, concurrency or rate; expected one of them");
  }
  if (!["wait", "drop-new", "cancel-oldest"].includes(onLimit)) {
    throw wrong(
      type,
      `has onLimit ${tellValue(onLimit)}; expected "wait", "drop-new" or "cancel-oldest"`,
    );
  }
  if (onLimit !== "wait" && concurrency === undefined) {
    throw wrong(
      type,
      `has onLimit ${tellValue(onLimit)} without a concurrency; expected one, for it says when there are too many`,
    );
  }
  return {
    name,
    // Of whatever kind: one that is no key is refused as from a function, where it would pass its limit by.
    key: typeof key === "string" ? (input) => fieldAt(input, key) as string : (key ?? null),
    onLimit,
    ...checkBounds({
      concurrency: concurrency ?? null,
      rate: rate === undefined ? null : readRate(rate),
    }),
  };
}

/** What is at a path of an input: names with dots between. */
export function fieldAt(input: unknown, path: string): unknown {
  let value: unknown = input;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}

const RATE_TEXT = /^(\d+)\s*\/\s*(\d*)\s*(ms|s|m|h|d)$/;

/**
 * Reads a rate. A burst below its limit is a shorter window: 100 a second of which 10 at once is 10 in 100 ms.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readRate(options: RateOptions): Rate {
  if (typeof options === "string") {
    const [, limit, count, unit] = RATE_TEXT.exec(options) ?? [];
    if (limit === undefined) throw wrongRate(options);
    const per = `${count === "" ? "1" : count}${unit}` as Duration;
    return { limit: Number(limit), perMs: parseDuration(per, "rate") };
  }
  if (typeof options !== "object" || options === null || typeof options.limit !== "number") {
    throw wrongRate(options);
  }
  const { limit, burst = limit } = options;
  const perMs = parseDuration(options.per, "rate.per");
  if (!Number.isInteger(burst) || burst < 1 || burst > limit) {
    throw wrong(
      "",
      `rate.burst is ${tellValue(burst)}; expected a whole number from 1 to the limit ${limit}. For more at once raise limit and per alike: { limit: 500, per: "5s" } is 100 a second, 500 at once`,
    );
  }
  return { limit: burst, perMs: Math.max(1, Math.ceil((perMs * burst) / limit)) };
}

function wrongRate(rate: unknown): MillraceError {
  return wrong(
    "",
    `rate is ${tellValue(rate)}; expected "100/s", "5/m", "10/2s" or { limit, per }`,
  );
}

/**
 * Checks what a limit allows.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkBounds({ concurrency, rate }: LimitBounds): LimitBounds {
  if (concurrency !== null) whole(concurrency, "concurrency", 0);
  if (rate !== null) {
    whole(rate.limit, "rate.limit", 1);
    if (!Number.isInteger(rate.perMs) || rate.perMs < 1 || rate.perMs > MAX_RATE_WINDOW_MS) {
      throw wrong("", `rate.per is ${rate.perMs} ms; expected from 1 ms to 31 days`);
    }
  }
  return { concurrency, rate };
}

/** Longest window of a rate. */
const MAX_RATE_WINDOW_MS = 31 * 86_400_000;

function whole(value: number, field: string, least: number): void {
  if (!Number.isInteger(value) || value < least || value > MAX_LIMIT) {
    throw wrong(
      "",
      `${field} is ${tellValue(value)}; expected a whole number from ${least} to ${MAX_LIMIT}`,
    );
  }
}

function readUnique<Input>(
  type: string,
  { unique, debounce, throttle }: FlowOptions<Input>,
): UniqueRule<Input> | undefined {
  if (throttle !== undefined) {
    checkObject(throttle, "throttle");
    const ms = parseDuration(throttle.per, "throttle.per");
    return { by: throttle.by ?? "input", how: { kind: "within", ms } };
  }
  if (debounce !== undefined) {
    checkObject(debounce, "debounce");
    const waitMs = parseDuration(debounce.wait, "debounce.wait");
    const longest = debounce.longest ?? waitMs * LONGEST_PER_WAIT;
    const longestMs = parseDuration(longest, "debounce.longest");
    return { by: debounce.by ?? "input", how: { kind: "debounce", waitMs, longestMs } };
  }
  if (unique === undefined) return undefined;
  const said = unique === true ? {} : checkObject(unique, "unique");
  if (said.while !== undefined && said.within !== undefined) {
    throw wrong(type, "has unique with both while and within; expected one of them");
  }
  const during = said.while ?? "unfinished";
  if (!["waiting", "running", "unfinished"].includes(during)) {
    throw wrong(
      type,
      `has unique.while ${tellValue(during)}; expected "waiting", "running" or "unfinished"`,
    );
  }
  return {
    by: said.by ?? "input",
    how:
      said.within === undefined
        ? { kind: "while", while: during }
        : { kind: "within", ms: parseDuration(said.within, "unique.within") },
  };
}

/**
 * Reads what a type says about batches.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readBatch<Input>(type: string, options: BatchOptions<Input>): BatchRule<Input> {
  const { size } = options;
  if (!Number.isInteger(size) || size < 1 || size > MAX_BATCH) {
    throw wrong(
      type,
      `has batch.size ${tellValue(size)}; expected a whole number from 1 to ${MAX_BATCH}`,
    );
  }
  return {
    size,
    withinMs: parseDuration(options.within ?? 0, "batch.within"),
    by: options.by ?? null,
  };
}

function wrong(type: string, what: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", {
    message: type === "" ? what : `job type ${type} ${what}`,
  });
}
