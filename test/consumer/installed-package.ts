// Packs the package as it would be published and installs it into an empty directory, without a network.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Not taken into the copy that is packed: what a checkout grows, and what is linked in its place. */
const LEFT_OUT: ReadonlySet<string> = new Set(["node_modules", ".git", "dist", "coverage"]);

/** The part of package.json that says what a consumer may import. */
interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** An empty project with nothing but the packed package, and what that declares as dependencies. */
export interface Consumer {
  readonly directory: string;
  readonly manifest: Manifest;
  /** What the tarball holds, by path in the package. */
  readonly files: readonly string[];
  remove(): void;
}

/**
 * Builds and packs a copy of the checkout (so that its own `dist` is left alone), unpacks the tarball where an install
 * would, and links the declared dependencies from the checkout: what is not declared is not found.
 */
export function installPackage(): Consumer {
  const directory = mkdtempSync(join(tmpdir(), "millrace-consumer-"));
  const checkout = join(directory, "checkout");
  cpSync(ROOT, checkout, { recursive: true, filter: isPartOfCheckout });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
  execFileSync("npm", ["pack", "--pack-destination", directory], { cwd: checkout, stdio: "pipe" });

  const project = join(directory, "project");
  const installed = join(project, "node_modules", "millrace");
  mkdirSync(installed, { recursive: true });
  const version = readManifest(checkout).version;
  const tarball = join(directory, `millrace-${version}.tgz`);
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed]);
  const listing = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" });

  const manifest = readManifest(installed);
  for (const name of Object.keys(manifest.dependencies ?? {})) linkDependency(project, name);
  return {
    directory: project,
    manifest,
    files: listing
      .trim()
      .split("\n")
      .map((path) => path.replace(/^package\//, "")),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Makes a package of the checkout importable in the project. */
export function linkDependency(project: string, name: string): void {
  const link = join(project, "node_modules", name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join(ROOT, "node_modules", name), link);
}

function isPartOfCheckout(path: string): boolean {
  return !relative(ROOT, path)
    .split(sep)
    .some((part) => LEFT_OUT.has(part));
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
}
