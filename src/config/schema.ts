// Checks a config: which field is wrong, what was expected, what was found.
import { z } from "zod";
import { DURABILITIES, LOG_LEVELS, MAX_DURATION_MS, parseDuration } from "../core/index.ts";
import { nearNames } from "../core/near-names.ts";
import { type FleetOptions, checkFleetOptions } from "../fleet/index.ts";
import { SCOPES } from "../http/index.ts";
import { readAggregatorOptions } from "../rollup/index.ts";
import { LOG_FORMATS, checkBlobOptions } from "../runtime/index.ts";
import { readSchedule } from "../schedule/index.ts";

const isDuration = (value: unknown): boolean => {
  try {
    parseDuration(value as string);
    return true;
  } catch {
    return false;
  }
};
const duration = z.custom((value) => {
  return (typeof value === "number" || typeof value === "string") && isDuration(value);
}, `expected milliseconds from 0 to ${MAX_DURATION_MS} or a text such as "250ms", "30s" or "1h30m"`);
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/, "expected letters, digits or . _ : / -");
const jobType = z.custom(
  (value) => isObject(value) && typeof value["name"] === "string" && isObject(value["retry"]),
  "expected a job type, as defineJob makes it",
);
const launcher = z.custom(
  (value) =>
    isObject(value) && typeof value["name"] === "string" && typeof value["launch"] === "function",
  "expected a launcher: an object with a name and launch()",
);

/** The fleet checks itself, so that there is one rule; what it says names the field. */
const fleet = z.unknown().superRefine((value, context) => {
  if (!isObject(value)) {
    context.addIssue("expected an object with command and size");
    return;
  }
  try {
    checkFleetOptions(value as unknown as FleetOptions);
  } catch (thrown) {
    context.addIssue(thrown instanceof Error ? thrown.message : String(thrown));
  }
});

/** The aggregator checks itself too. */
const rollup = z.unknown().superRefine((value, context) => {
  if (!isObject(value)) {
    context.addIssue('expected an object, such as { url: "ws://localhost:5050/ws", every: "60s" }');
    return;
  }
  try {
    readAggregatorOptions(value);
  } catch (thrown) {
    context.addIssue(thrown instanceof Error ? thrown.message : String(thrown));
  }
});

/** As with fleets: the schedule room reads the rhythm, and what it says names the field. */
const schedule = z.unknown().superRefine((value, context) => {
  if (!isObject(value) || !(typeof value["type"] === "string" || isObject(value["type"]))) {
    context.addIssue("expected an object with a type and one of cron, every and dates");
    return;
  }
  try {
    const { type, name = isObject(type) ? type["name"] : type } = value;
    readSchedule(String(name), value);
  } catch (thrown) {
    context.addIssue(thrown instanceof Error ? thrown.message : String(thrown));
  }
});

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

const storeUrl = z
  .string()
  .regex(
    /^(?:memory:$|[a-z][a-z0-9+-]*:.+)/,
    'expected "sqlite:PATH", "memory:" or "redis://HOST:PORT"',
  );

/** As with fleets: what opens it reads it. */
const blobs = z.unknown().superRefine((value, context) => {
  try {
    checkBlobOptions(value);
  } catch (thrown) {
    context.addIssue(thrown instanceof Error ? thrown.message : String(thrown));
  }
});

const worker = z.strictObject({
  concurrency: z.int().min(1).max(100_000).optional(),
  queues: z.array(name).optional(),
  labels: z.array(z.string().min(1)).optional(),
  leaseDuration: duration.optional(),
  sweepInterval: duration.optional(),
  shutdownGrace: duration.optional(),
  pollInterval: duration.optional(),
});

const http = z.strictObject({
  host: z.string().min(1).optional(),
  port: z.int().min(0).max(65_535).optional(),
  tokens: z
    .array(
      z.strictObject({
        name,
        token: z.string(),
        scopes: z.array(z.enum(SCOPES)).min(1),
      }),
    )
    .optional(),
  unauthenticated: z.enum(["loopback", "private-network"]).optional(),
  allowedHosts: z.array(z.string().min(1)).optional(),
  allowedOrigins: z.array(z.url()).optional(),
});

const log = z.strictObject({
  level: z.enum([...LOG_LEVELS, "silent"]).optional(),
  format: z.enum(LOG_FORMATS).optional(),
});

/** What a config can say. */
const configSchema = z.strictObject({
  store: storeUrl.optional(),
  namespace: name.optional(),
  durability: z.enum(DURABILITIES).optional(),
  jobs: z.array(jobType).optional(),
  launchers: z.array(launcher).optional(),
  blobs: blobs.optional(),
  worker: worker.optional(),
  fleets: z.record(name, fleet).optional(),
  rollups: z.record(name, rollup).optional(),
  schedules: z.array(schedule).optional(),
  http: http.optional(),
  log: log.optional(),
});

/** The fields of a config and of its parts, by the way to them. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "": Object.keys(configSchema.shape),
  worker: Object.keys(worker.shape),
  http: Object.keys(http.shape),
  log: Object.keys(log.shape),
};

function meantBy(key: string, path: readonly string[]): string {
  const near = nearNames(key, FIELDS[path.join(".")] ?? []);
  return near.length === 0 ? "" : `; did you mean ${near.join(" or ")}?`;
}

/** One thing that is wrong with a config. */
export interface ConfigIssue {
  /** The way to the field: `["http", "port"]`. */
  readonly path: readonly string[];
  readonly message: string;
}

/** Everything that is wrong with a config; nothing when it is fine. */
export function findConfigIssues(config: unknown): readonly ConfigIssue[] {
  const parsed = configSchema.safeParse(config);
  if (parsed.success) return [];
  return parsed.error.issues.flatMap((issue): ConfigIssue[] => {
    const path = issue.path.map(String);
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `there is no such field${path.length === 0 ? "" : ` in ${path.join(".")}`}${meantBy(key, path)}`,
      }));
    }
    return [{ path, message: issue.message.replace(/^Invalid (?:input|option): /, "") }];
  });
}
