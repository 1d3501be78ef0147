// Holds the direction of imports: core <- stores, runtime <- workflow, schedule, fleet, rollup <- http <- config <- cli.
// Run as a script it checks src/; the rules themselves are pure and tested beside it.
import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { parseSync } from "oxc-parser";

/** Which other rooms of src/ a room may import. A room that is not named here is refused: give it a place. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  // External processes as such: started in their own group, watched, killed. Shared by launchers and fleets.
  processes: ["core"],
  // The package's own version: nothing else, so that `--help` need not load a room for it.
  version: [],
  stores: ["core"],
  runtime: ["core", "stores", "processes", "version"],
  workflow: ["core", "stores", "runtime"],
  schedule: ["core", "stores", "runtime"],
  fleet: ["core", "stores", "runtime", "processes"],
  rollup: ["core", "stores", "runtime"],
  // `openMillrace`: the runtime with the rooms above it.
  millrace: ["core", "stores", "runtime", "workflow", "schedule", "figures"],
  // Millrace's own figures: a roll-up of what its jobs came to.
  figures: ["core", "runtime", "rollup"],
  testing: ["core", "stores", "runtime", "millrace"],
  http: [
    "core",
    "stores",
    "runtime",
    "workflow",
    "schedule",
    "millrace",
    "fleet",
    "rollup",
    "processes",
  ],
  config: ["core", "runtime", "schedule", "fleet", "rollup", "http"],
  cli: [
    "config",
    "core",
    "stores",
    "runtime",
    "workflow",
    "schedule",
    "millrace",
    "fleet",
    "rollup",
    "processes",
    "http",
    "version",
  ],
};

/** Rooms whose files may be imported one by one: the core is pure, so taking a part of it starts nothing. */
const OPEN_ROOMS: ReadonlySet<string> = new Set(["core"]);

/** The core is pure: from outside src/ it takes types and nothing else. */
const CORE_TYPE_PACKAGES: ReadonlySet<string> = new Set(["@standard-schema/spec"]);

/** Optional peers may be absent, so only these places may ask for them. */
const OPTIONAL_PEERS: Readonly<Record<string, string>> = {
  ioredis: "src/stores/redis/",
  bullmq: "src/stores/bullmq/",
};

/** A source file: its path from the repository's root with forward slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly specifier: string;
  readonly isTypeOnly: boolean;
}

/** Every import of the files that goes against the direction, as one sentence each. */
export function findViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) =>
    listImports(file).flatMap((found) => {
      const why = judge(file.path, found);
      return why === null ? [] : [`${file.path} imports "${found.specifier}": ${why}`];
    }),
  );
}

function listImports(file: SourceFile): readonly Import[] {
  const parsed = parseSync(file.path, file.text);
  const syntaxError = parsed.errors[0];
  if (syntaxError !== undefined) throw new Error(`${file.path}: ${syntaxError.message}`);
  const { staticImports, staticExports, dynamicImports } = parsed.module;
  const imports: Import[] = staticImports.map((found) => ({
    specifier: found.moduleRequest.value,
    isTypeOnly: found.entries.length > 0 && found.entries.every((entry) => entry.isType),
  }));
  for (const { entries } of staticExports) {
    const from = entries.find((entry) => entry.moduleRequest !== null)?.moduleRequest;
    if (from == null) continue;
    imports.push({ specifier: from.value, isTypeOnly: entries.every((entry) => entry.isType) });
  }
  for (const { moduleRequest } of dynamicImports) {
    const source = file.text.slice(moduleRequest.start, moduleRequest.end);
    const literal = /^(["'`])([^"'`$]+)\1$/.exec(source)?.[2];
    if (literal !== undefined) imports.push({ specifier: literal, isTypeOnly: false });
  }
  return imports;
}

function judge(path: string, { specifier, isTypeOnly }: Import): string | null {
  const room = roomOf(path);
  if (room === null) return null;
  if (!specifier.startsWith(".")) return judgeOutside(path, room, specifier, isTypeOnly);
  const target = posix.join(posix.dirname(path), specifier);
  const targetRoom = roomOf(target);
  if (targetRoom === room) return null;
  if (targetRoom === null)
    return "a room may not import the package's door or what is outside src/";
  const allowed = MAY_IMPORT[room];
  if (allowed === undefined) return `the room ${room} has no place in scripts/import-direction.ts`;
  if (!allowed.includes(targetRoom)) return `${room} may not import ${targetRoom}`;
  if (!OPEN_ROOMS.has(targetRoom) && posix.basename(target) !== "index.ts") {
    return `other rooms come in by the door, ${targetRoom}/index.ts`;
  }
  return null;
}

function judgeOutside(
  path: string,
  room: string,
  specifier: string,
  isTypeOnly: boolean,
): string | null {
  if (room === "core" && !(isTypeOnly && CORE_TYPE_PACKAGES.has(specifier))) {
    return "the core is pure and imports nothing outside core";
  }
  const home = OPTIONAL_PEERS[specifier.split("/")[0] ?? ""];
  if (home !== undefined && !path.startsWith(home)) {
    return `it is an optional peer, which only ${home} may import`;
  }
  return null;
}

/** The room that a path belongs to; `null` for the package's own door (src/index.ts) and what is outside src/. */
function roomOf(path: string): string | null {
  const [root, room, ...rest] = path.split("/");
  return root === "src" && room !== undefined && rest.length > 0 ? room : null;
}

if (import.meta.main) {
  // Tests, and what they share, may stand on rooms above their own.
  const paths = globSync("src/**/*.ts").filter((path) => !/\.(?:test|fixture)\.ts$/.test(path));
  const violations = findViolations(
    paths.map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(path, "utf8") })),
  );
  for (const violation of violations) console.error(violation);
  console.log(`import direction: ${paths.length} files, ${violations.length} violations`);
  process.exitCode = violations.length === 0 && paths.length > 0 ? 0 : 1;
}
