// Loads millrace.config.ts by Node itself, and says where it is wrong.
import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { MillraceError } from "../core/index.ts";
import type { MillraceConfig } from "./define.ts";
import { ENVIRONMENT_VARIABLES, type Environment, applyEnvironment } from "./environment.ts";
import { type ConfigIssue, findConfigIssues } from "./schema.ts";

/** Names under which a config is looked for, first one first. */
export const CONFIG_FILES: readonly string[] = [
  "millrace.config.ts",
  "millrace.config.mts",
  "millrace.config.js",
  "millrace.config.mjs",
];

/** Where to look for a config. */
export interface LoadConfigOptions {
  readonly directory: string;
  readonly environment: Environment;
  /** In place of the names looked for. Must exist. */
  readonly path?: string;
}

/** A config with the environment's word over it. */
export interface LoadedConfig {
  readonly config: MillraceConfig;
  /** The file it came from; `null` where there was none and everything is as by default. */
  readonly path: string | null;
}

/**
 * Loads a directory's config.
 *
 * @throws MillraceError `INVALID_CONFIG` that says which field, what was expected, and where
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const path = findConfig(options);
  const written = path === null ? {} : await importConfig(path);
  if (path !== null) refuseIssues(path, findConfigIssues(written));
  const config = applyEnvironment(written as MillraceConfig, options.environment);
  const [issue] = findConfigIssues(config);
  if (issue !== undefined) {
    throw new MillraceError("INVALID_CONFIG", {
      message: `${variableOf(issue.path)} is wrong: ${issue.message}`,
    });
  }
  return { config, path };
}

function findConfig({ directory, environment, path }: LoadConfigOptions): string | null {
  const named = path ?? environment["MILLRACE_CONFIG"];
  if (named !== undefined && named !== "") {
    const absolute = resolve(directory, named);
    if (!existsSync(absolute)) {
      throw new MillraceError("INVALID_CONFIG", { message: `there is no config at ${absolute}` });
    }
    return absolute;
  }
  return CONFIG_FILES.map((name) => resolve(directory, name)).find(existsSync) ?? null;
}

async function importConfig(path: string): Promise<unknown> {
  let loaded: { readonly default?: unknown };
  try {
    loaded = (await import(pathToFileURL(path).href)) as typeof loaded;
  } catch (cause) {
    if (cause instanceof MillraceError) {
      throw new MillraceError("INVALID_CONFIG", {
        message: `${placeOf(cause, path)}: ${cause.message}`,
        cause,
      });
    }
    throw new MillraceError("INVALID_CONFIG", {
      message: `${placeOf(cause, path)} can't be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    });
  }
  if (typeof loaded.default !== "object" || loaded.default === null) {
    throw new MillraceError("INVALID_CONFIG", {
      message: `${basename(path)} has no default export; expected: export default defineConfig({ ... })`,
    });
  }
  return loaded.default;
}

/** The config file, with the line that a stack names if there is one. */
function placeOf(thrown: unknown, path: string): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  const href = pathToFileURL(path).href;
  const line = stack
    .split("\n")
    .map((text) => text.split(href)[1] ?? text.split(path)[1])
    .find((rest) => rest !== undefined && /^:\d+/.test(rest));
  return `${basename(path)}${/^:\d+/.exec(line ?? "")?.[0] ?? ""}`;
}

/** Most issues told at once: enough to mend a config in one go. */
const MAX_TOLD_ISSUES = 10;

function refuseIssues(path: string, issues: readonly ConfigIssue[]): void {
  if (issues.length === 0) return;
  const source = readFileSync(path, "utf8");
  const lines = issues.slice(0, MAX_TOLD_ISSUES).map((issue) => {
    const line = findLine(source, issue.path);
    const place = `${basename(path)}${line === null ? "" : `:${line}`}`;
    return `${place}: ${issue.path.join(".") || "the config"}: ${issue.message}`;
  });
  throw new MillraceError("INVALID_CONFIG", { message: lines.join("\n") });
}

/**
 * The line on which a field stands in a config's source, found by its names in order; `null` where the config was not
 * written as one plain object.
 */
export function findLine(source: string, path: readonly string[]): number | null {
  let at = 0;
  let found = false;
  for (const key of path) {
    if (/^\d+$/.test(key)) continue;
    const escaped = key.replaceAll(/[^\w]/g, String.raw`\$&`);
    const match = new RegExp(String.raw`(?<![\w.])["']?${escaped}["']?\s*[:,}]`).exec(
      source.slice(at),
    );
    if (match === null) break;
    at += match.index;
    found = true;
  }
  return found ? source.slice(0, at).split("\n").length : null;
}

/** The variable behind a field that the file has right and the environment wrong. */
function variableOf(path: readonly string[]): string {
  const field = path.at(path[0] === "worker" || path[0] === "http" ? 1 : 0) ?? "";
  const name = `MILLRACE_${field.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
  return name in ENVIRONMENT_VARIABLES ? name : `the environment's ${path.join(".")}`;
}
