// `defineConfig`: what a millrace.config.ts exports.
import type { AnyJobType, Durability, LogLevel } from "../core/index.ts";
import type { FleetOptions } from "../fleet/index.ts";
import type { AccessOptions } from "../http/index.ts";
import type { AggregatorOptions } from "../rollup/index.ts";
import type {
  BlobOptions,
  Launcher,
  LogFormat,
  SchedulePut,
  WorkerOptions,
} from "../runtime/index.ts";

/** Where the job service listens and whom it lets in. */
export interface HttpConfig extends Omit<AccessOptions, "authorize"> {
  /** Default `"127.0.0.1"`. Any other than a loopback address needs tokens or the named opt-out. */
  readonly host?: string;
  /** Default 8000; 0 takes a free one. */
  readonly port?: number;
}

/** Everything a `millrace.config.ts` can say. Environment variables override what changes between machines. */
export interface MillraceConfig {
  /** `"sqlite:PATH"` (default `"sqlite:millrace.db"`), `"memory:"` or `"redis://HOST:PORT"`. `MILLRACE_STORE` */
  readonly store?: string;
  /** Keeps environments or applications apart within one store. `MILLRACE_NAMESPACE` */
  readonly namespace?: string;
  /** When an enqueue is acknowledged. `MILLRACE_DURABILITY` */
  readonly durability?: Durability;
  /** The job types, each with its handler or launcher. */
  readonly jobs?: readonly AnyJobType[];
  /** Launchers beside the built-in ones. */
  readonly launchers?: readonly Launcher[];
  /** Where inputs and results are kept that are too large for a job: `{ store: "dir:PATH" }`. `MILLRACE_BLOBS` */
  readonly blobs?: BlobOptions;
  /** Schedules beside those declared with the job types: kept when a worker starts. */
  readonly schedules?: readonly SchedulePut[];
  /** `MILLRACE_CONCURRENCY`, `MILLRACE_QUEUES`, `MILLRACE_LABELS`, `MILLRACE_SHUTDOWN_GRACE` */
  readonly worker?: WorkerOptions;
  /** Fleets by name, kept running by `millrace worker` and `millrace start`. */
  readonly fleets?: Readonly<Record<string, FleetOptions>>;
  /** WebSocket aggregators by name, kept running by `millrace worker` and `millrace start`. */
  readonly rollups?: Readonly<Record<string, AggregatorOptions>>;
  /** `MILLRACE_HOST`, `MILLRACE_PORT`, `MILLRACE_TOKEN`, `MILLRACE_TOKENS`, `MILLRACE_UNAUTHENTICATED` */
  readonly http?: HttpConfig;
  readonly log?: {
    /** Default `"info"`. `MILLRACE_LOG_LEVEL` */
    readonly level?: LogLevel | "silent";
    /** Default `"text"` where standard output is a terminal, `"json"` elsewhere. `MILLRACE_LOG_FORMAT` */
    readonly format?: LogFormat;
  };
}

/**
 * Gives a config its types. It is checked when it is loaded.
 *
 * @example
 * export default defineConfig({ store: "sqlite:millrace.db", jobs: [sendReceipt] });
 */
export function defineConfig(config: MillraceConfig): MillraceConfig {
  return config;
}
