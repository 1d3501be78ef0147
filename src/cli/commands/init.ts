// `millrace init`: a working config and a first job type, in a directory.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Command } from "commander";
import { MillraceError } from "../../core/index.ts";
import { print } from "../output.ts";
import { packageVersion } from "../../version/index.ts";

const CONFIG = `// What millrace start, serve and worker run. Environment variables override it: MILLRACE_STORE, MILLRACE_PORT, ...
import { defineConfig } from "millrace";
import { hello } from "./jobs/hello.ts";

export default defineConfig({
  store: "sqlite:millrace.db",
  jobs: [hello],
  worker: { concurrency: 10 },
  http: { host: "127.0.0.1", port: 8000 },
});
`;

const HELLO = `// A first job type: greets, and tells how far it is.
import { setTimeout as sleep } from "node:timers/promises";
import { defineJob } from "millrace";

// Checked by hand here; any Standard Schema (zod, valibot, arktype) as \`input\` does it for you.
export const hello = defineJob({
  name: "hello",
  retry: { attempts: 3 },
  timeout: "1m",
  async run({ input, signal, log, progress }) {
    const { name = "world" } = (input ?? {}) as { name?: string };
    for (let done = 1; done <= 5; done += 1) {
      await sleep(200, undefined, { signal });
      progress({ done, total: 5 });
    }
    log.info(\`Hello, \${name}!\`);
    return { greeting: \`Hello, \${name}!\` };
  },
});
`;

/** Node runs the files as they are, so: `.ts` in imports, nothing emitted, no syntax that would have to be. */
const TSCONFIG = {
  compilerOptions: {
    target: "es2024",
    module: "nodenext",
    types: ["node"],
    noEmit: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    strict: true,
    skipLibCheck: true,
  },
};
const TSCONFIG_NEEDS =
  '"module": "nodenext", "types": ["node"], "noEmit": true, "allowImportingTsExtensions": true and "erasableSyntaxOnly": true';

/** What tsc and editors need to check the files; running them takes neither. */
const CHECKERS = { "@types/node": "^24.0.0", typescript: "^7.0.0" };

const IGNORED = ["node_modules/", "millrace.db", "millrace.db-shm", "millrace.db-wal"];

/** Registers `init`. */
export function registerInit(program: Command): void {
  program
    .command("init")
    .description("write a working config and a first job type")
    .argument("[directory]", "where to", ".")
    .addHelpText("after", "\nExample:\n  $ millrace init my-jobs && cd my-jobs && npm install")
    .action(async (directory: string) => {
      const written = await writeProject(directory);
      print(...written.map((path) => `wrote ${relative(process.cwd(), path)}`));
      print(
        "",
        "Now:",
        ...(directory === "." ? [] : [`  cd ${directory}`]),
        ...(lacksMillrace(directory) ? ["  npm install millrace"] : ["  npm install"]),
        "  npx millrace start",
        "",
        "In another terminal:",
        ...(directory === "." ? [] : [`  cd ${directory}`]),
        `  npx millrace enqueue hello '{"name": "Ada"}' --follow`,
      );
    });
}

/** Whether the directory's own manifest does not ask for this package yet. */
function lacksMillrace(directory: string): boolean {
  return !asksFor(readManifest(directory), "millrace");
}

function asksFor({ dependencies, devDependencies }: Manifest, name: string): boolean {
  return name in { ...dependencies, ...devDependencies };
}

interface Manifest {
  readonly type?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** @throws MillraceError `INVALID_CONFIG` */
function readManifest(directory: string): Manifest {
  const path = join(directory, "package.json");
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Manifest;
  } catch (cause) {
    throw new MillraceError("INVALID_CONFIG", {
      message: `${path} is not JSON; mend it first: ${String(cause)}`,
      cause,
    });
  }
}

/**
 * Writes the files. Nothing that is there is overwritten.
 *
 * @returns the files written
 * @throws MillraceError `INVALID_ARGUMENT` where a config stands already
 */
async function writeProject(directory: string): Promise<readonly string[]> {
  const { CONFIG_FILES } = await import("../../config/index.ts");
  const config = CONFIG_FILES.map((name) => join(directory, name)).find(existsSync);
  if (config !== undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `${config} is there already; nothing was written`,
    });
  }
  const tsconfig = join(directory, "tsconfig.json");
  const hasTsconfig = existsSync(tsconfig);
  const manifest = join(directory, "package.json");
  // Before anything is written: one that can't be read is mended first, and then all is as it was.
  const own = existsSync(manifest) ? readManifest(directory) : null;
  const written: string[] = [];
  const write = (name: string, text: string): void => {
    const path = join(directory, name);
    if (existsSync(path)) return;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    written.push(path);
  };
  mkdirSync(directory, { recursive: true });
  write("millrace.config.ts", CONFIG);
  write("jobs/hello.ts", HELLO);
  write("tsconfig.json", `${JSON.stringify(TSCONFIG, undefined, 2)}\n`);
  if (hasTsconfig) {
    print(
      `note: ${tsconfig} is left as it is; to check the config and its jobs it needs ${TSCONFIG_NEEDS}`,
    );
  }
  write(".gitignore", `${IGNORED.join("\n")}\n`);
  if (own !== null) {
    if (own.type !== "module") {
      print(`note: add "type": "module" to ${manifest}, so that Node reads the config as a module`);
    }
    const lacking = Object.keys(CHECKERS).filter((name) => !asksFor(own, name));
    if (lacking.length > 0) {
      print(`note: to check types: npm install --save-dev ${lacking.join(" ")}, then npx tsc`);
    }
  } else {
    const content = {
      private: true,
      type: "module",
      scripts: { start: "millrace start", check: "tsc" },
      dependencies: { millrace: packageVersion() },
      devDependencies: CHECKERS,
      engines: { node: ">=22.18" },
    };
    write("package.json", `${JSON.stringify(content, undefined, 2)}\n`);
  }
  return written;
}
