// The options by which an enqueue or a schedule says how its jobs are tried.
import type { Command } from "commander";
import type { OwnBackoff, OwnTerms } from "../core/index.ts";
import { readBackoff, readCount, readTimeout } from "./option-values.ts";

/** How a job is tried, where its type does not say. */
export interface TermsFlags {
  readonly attempts?: number;
  readonly backoff?: OwnBackoff;
  readonly timeout?: string;
}

/** Adds the options of {@link TermsFlags}. */
export function withTermsOptions(command: Command): Command {
  return command
    .option("--attempts <number>", "tries in all, in place of the type's", readCount)
    .option(
      "--backoff <rule>",
      'wait between tries: "exponential", "fixed", or durations such as 1s,10s,1m',
      readBackoff,
    )
    .option("--timeout <duration>", "longest time of one try, in place of the type's", readTimeout);
}

/** The terms that were said. */
export function readTerms({ attempts, backoff, timeout }: TermsFlags): OwnTerms {
  const retry = {
    ...(attempts === undefined ? {} : { attempts }),
    ...(backoff === undefined ? {} : { backoff }),
  };
  return {
    ...(Object.keys(retry).length === 0 ? {} : { retry }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}
