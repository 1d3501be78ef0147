// What may be said of a collection, checked.
import { type OptionNames, pickOptions } from "../../core/arguments.ts";
import { type Duration, parseDuration, parseTimeout } from "../../core/duration.ts";
import { MillraceError } from "../../core/errors.ts";
import { checkPlaceholders, fillPlaceholders } from "../../processes/index.ts";
import { FLEET_NAMES, readFleetOptions } from "../options.ts";
import type { FleetOptions } from "../options.ts";
import { MEMBER_PLACEHOLDERS } from "../readiness.ts";
import { MAX_MEMBERS, wholeNumber } from "../supervisor/policy.ts";
import type { ParseSample } from "./stream.ts";

/** A collection of samples from the members of a fleet, which is started for it and stopped after it. */
export interface CollectOptions<Sample> extends Omit<FleetOptions, "size"> {
  /** What a member is asked by GET: `{port}`, `{id}` and `{start}` as in the command, `{n}` how many samples. A stream that goes on is cut. */
  readonly url: string;
  /** How many samples to collect. */
  readonly samples: number;
  /** Most members at one time. */
  readonly workers: number;
  /** When the samples are wanted, from the first spawn. A collection that takes longer goes on, and is late. */
  readonly within?: Duration;
  /** When the collection gives up, from the first spawn. Never by default: it ends when no member is left to hope for. */
  readonly giveUpAfter?: Duration;
  /**
   * A member that owes a sample for so long has stalled: it is restarted and its share given to
   * others. Doubled for a member each time in a row, so that a slow one gets its chance. Default `"2s"`.
   */
  readonly stallTimeout?: Duration;
  /** Longer lines are dropped and counted. Default 8,192. */
  readonly maxLineBytes?: number;
  /** Time from one sample of a member to its next, for the ideal; measured where it is not said. */
  readonly pace?: Duration;
  /** What a line holds; {@link parseRandomNumber} by default. */
  readonly parse?: ParseSample<Sample>;
  /** Ends the collection early. */
  readonly signal?: AbortSignal;
}

const { size: _size, ...OF_A_FLEET } = FLEET_NAMES;

/** The names of what is said of a collection. */
export const COLLECT_NAMES: OptionNames<CollectOptions<never>> = {
  ...OF_A_FLEET,
  url: true,
  samples: true,
  workers: true,
  within: true,
  giveUpAfter: true,
  stallTimeout: true,
  maxLineBytes: true,
  pace: true,
  parse: true,
  signal: true,
};

/** What is said of the fleet alone. */
export function fleetOf<Sample>(options: CollectOptions<Sample>, size: number): FleetOptions {
  return { ...pickOptions(options, OF_A_FLEET), size };
}

/** The same, complete. */
export interface CollectSettings<Sample> {
  readonly url: string;
  readonly samples: number;
  readonly size: number;
  readonly withinMs: number | undefined;
  readonly giveUpAfterMs: number | undefined;
  readonly stallTimeoutMs: number;
  readonly maxLineBytes: number;
  readonly paceMs: number | undefined;
  readonly parse: ParseSample<Sample>;
}

/** All samples are held in memory until the collection ends. */
const MAX_SAMPLES = 100_000_000;
/** Far longer than a sample is; a line without end costs no more than this. */
const DEFAULT_MAX_LINE_BYTES = 8_192;
const MAX_LINE_BYTES = 64 * 1_024 * 1_024;

/**
 * Checks and completes the options.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 */
export function readCollectOptions<Sample>(
  options: CollectOptions<Sample>,
  parse: ParseSample<Sample>,
): CollectSettings<Sample> {
  const samples = wholeNumber(options.samples, "samples", 1, MAX_SAMPLES);
  const workers = wholeNumber(options.workers, "workers", 1, MAX_MEMBERS);
  const maxLineBytes = options.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES;
  return {
    url: checkUrl(options.url),
    samples,
    size: Math.min(workers, samples),
    withinMs: optionalMs(options.within, "within"),
    giveUpAfterMs: optionalMs(options.giveUpAfter, "giveUpAfter"),
    stallTimeoutMs: parseTimeout(options.stallTimeout ?? "2s", "stallTimeout", "2 s"),
    maxLineBytes: wholeNumber(maxLineBytes, "maxLineBytes", 1, MAX_LINE_BYTES),
    paceMs: optionalMs(options.pace, "pace"),
    parse,
  };
}

/**
 * Checks the options of a collection, its fleet's among them, without starting anything.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 */
export function checkCollectOptions(options: CollectOptions<number>): void {
  const { size } = readCollectOptions(options, parseRandomNumber);
  readFleetOptions(fleetOf(options, size));
}

function optionalMs(duration: Duration | undefined, field: string): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration, field);
}

function checkUrl(url: string): string {
  checkPlaceholders(url, [...MEMBER_PLACEHOLDERS, "n"]);
  const filled = URL.parse(fillPlaceholders(url, { id: 1, port: 1, start: 1, n: 1 }));
  if (filled?.protocol === "http:") return url;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `the URL "${url}" can't be asked for samples; expected one such as "http://localhost:{port}/rnd?n={n}"`,
  });
}

/** Reads lines such as `rnd=97`. */
export function parseRandomNumber(line: string): number | undefined {
  if (!line.startsWith("rnd=") || line.length > 20) return undefined;
  const number = line.slice(4);
  return /^-?\d+$/.test(number) ? Number(number) : undefined;
}
