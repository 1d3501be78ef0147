// What a user gets: the packed tarball, installed into an empty project, under plain Node.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Consumer, installPackage, linkDependency } from "./installed-package.ts";

const tsc = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
let consumer: Consumer;

beforeAll(() => {
  consumer = installPackage();
  linkDependency(consumer.directory, "@types/node");
});

afterAll(() => {
  consumer.remove();
});

/** Runs a module in the project; what it prints anywhere counts. */
function run(...args: readonly string[]): { output: string; exitCode: number | null } {
  // Without the options of the test runner: a user's Node has none of them.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const ran = spawnSync(process.execPath, args, {
    cwd: consumer.directory,
    env,
    encoding: "utf8",
    timeout: 30_000,
  });
  return { output: ran.stdout + ran.stderr, exitCode: ran.status };
}

function readManifest(directory: string): {
  readonly devDependencies: Readonly<Record<string, string>>;
} {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as never;
}

function entryPoints(): readonly string[] {
  return Object.keys(consumer.manifest.exports)
    .filter((path) => path !== "./package.json")
    .map((path) => path.replace(/^\./, "millrace"));
}

test("the tarball holds the build, its sources for maps and the licence, and no tests", () => {
  expect(consumer.files).toEqual(
    expect.arrayContaining(["package.json", "LICENSE", "dist/index.js", "dist/index.d.ts"]),
  );
  expect(consumer.files.filter((path) => /\.test\.|^(test|bench|scripts)\//.test(path))).toEqual(
    [],
  );
});

test("every entry point imports without a word, and leaves nothing running", () => {
  const imports = entryPoints().map((name) => `await import("${name}");`);
  writeFileSync(join(consumer.directory, "imports.mjs"), imports.join("\n"));
  expect(run("imports.mjs")).toEqual({ output: "", exitCode: 0 });
});

test("every entry point has types that a strict project accepts", () => {
  const imports = entryPoints().map((name, index) => `export * as entry${index} from "${name}";`);
  writeFileSync(join(consumer.directory, "types.mts"), imports.join("\n"));
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024"];
  expect(run(tsc, ...options, "--types", "node", "types.mts")).toEqual({ output: "", exitCode: 0 });
});

test("tsc accepts what init writes, and the versions that it asks for are those it is checked with", () => {
  const made = run("node_modules/millrace/dist/cli/main.js", "init", "made");
  expect(made).toMatchObject({ exitCode: 0 });
  expect(run(tsc, "--project", "made")).toEqual({ output: "", exitCode: 0 });
  const { devDependencies } = readManifest(join(consumer.directory, "made"));
  const checkedWith = readManifest(fileURLToPath(new URL("../../", import.meta.url)));
  for (const [name, range] of Object.entries(devDependencies)) {
    expect(range, name).toBe(`^${checkedWith.devDependencies[name]?.split(".")[0]}.0.0`);
  }
});

test("the command says its version", () => {
  const ran = run("node_modules/millrace/dist/cli/main.js", "--version");
  expect(ran).toEqual({ output: `${consumer.manifest.version}\n`, exitCode: 0 });
});

test("jobs run on a file, in process and in a thread, from the build, and the process ends by itself", () => {
  const inThread = "export default ({ input }) => input.number * 3;";
  writeFileSync(join(consumer.directory, "triple.mjs"), inThread);
  const program = `
    import { defineJob, openMillrace } from "millrace";
    const double = defineJob({ name: "double", run: ({ input }) => input.number * 2 });
    const module = new URL("./triple.mjs", import.meta.url);
    const triple = defineJob({ name: "triple", launch: { launcher: "thread", options: { module } } });
    const jobs = [double, triple];
    await using mill = await openMillrace({ store: "sqlite:jobs.db", jobs, logger: false });
    const receipts = [await mill.enqueue(double, { number: 21 }), await mill.enqueue(triple, { number: 4 })];
    await mill.start();
    for (const receipt of receipts) console.log(await receipt.result({ timeout: "30s" }));`;
  writeFileSync(join(consumer.directory, "job.mjs"), program);
  expect(run("job.mjs")).toEqual({ output: "42\n12\n", exitCode: 0 });
});
