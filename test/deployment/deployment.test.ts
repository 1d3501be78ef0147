// The files of the deployment name what there is: commands, variables, ports, paths, packages.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { ENVIRONMENT_VARIABLES } from "../../src/config/environment.ts";
import { parseDuration } from "../../src/core/index.ts";
import { repository } from "../cli/command-line.ts";

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

interface Compose {
  readonly services: Readonly<Record<"store" | "service" | "worker", Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const read = (path: string): string => readFileSync(join(repository, path), "utf8");
const compose = parse(read("compose.yaml")) as Compose;
const { store, service, worker } = compose.services;
const manifest = JSON.parse(read("package.json")) as {
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly workspaces: readonly string[];
  readonly devDependencies: Readonly<Record<string, string>>;
};
const commands = createProgram().commands.map((command) => command.name());

/** Instructions of the Dockerfile, continued lines joined. */
const instructions = read("Dockerfile")
  .replaceAll(/\\\n\s*/g, "")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [name = "", ...rest] = line.split(" ");
    return { name, text: rest.join(" ") };
  });
const of = (name: string): readonly string[] =>
  instructions.filter((each) => each.name === name).map(({ text }) => text);
/** What is copied out of the checkout. */
const copied = of("COPY")
  .filter((text) => !text.startsWith("--from"))
  .flatMap((text) => text.split(" ").slice(0, -1));

describe("compose.yaml", () => {
  test("runs commands that the command line has", () => {
    const checked = worker.healthcheck?.test ?? [];
    const [check = ""] = checked.slice(checked.indexOf("dist/cli/main.js") + 1);
    for (const name of [service.command[0], worker.command[0], check]) {
      expect(commands).toContain(name);
    }
  });

  test("sets variables that are read, and takes the token from outside", () => {
    for (const { environment } of [service, worker]) {
      for (const name of Object.keys(environment ?? {})) {
        expect(Object.keys(ENVIRONMENT_VARIABLES)).toContain(name);
      }
      expect(environment?.["MILLRACE_STORE"]).toBe("redis://store:6379");
    }
    expect(service.environment?.["MILLRACE_TOKEN"]).toMatch(/^\$\{MILLRACE_TOKEN:\?/);
  });

  test("publishes the port of the image on loopback alone, and the store's not at all", () => {
    const [, port] = /MILLRACE_PORT=(\d+)/.exec(of("ENV").join(" ")) ?? [];
    expect(of("EXPOSE")).toEqual([port]);
    expect(service.ports).toEqual([`127.0.0.1:${port}:${port}`]);
    expect(store.ports).toBeUndefined();
  });

  test("keeps the store's data in a volume, on disk, and never drops a job for want of memory", () => {
    const [volume = ""] = (store.volumes?.[0] ?? "").split(":");
    expect(Object.keys(compose.volumes)).toContain(volume);
    const settings = store.command.join(" ");
    expect(settings).toContain("--appendonly yes");
    expect(settings).toContain("--maxmemory-policy noeviction");
  });

  test("waits for a store that is healthy, and for jobs that end", () => {
    for (const each of [service, worker]) {
      expect(each.depends_on?.["store"]?.condition).toBe("service_healthy");
    }
    expect(store.healthcheck?.test).toEqual(["CMD", "valkey-cli", "ping"]);
    const graceMs = parseDuration(worker.environment?.["MILLRACE_SHUTDOWN_GRACE"] ?? "", "grace");
    expect(parseDuration(worker.stop_grace_period ?? "", "stop")).toBeGreaterThan(graceMs);
  });
});

describe("the Dockerfile", () => {
  test("copies what there is, and what .dockerignore lets through", () => {
    const allowed = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    for (const path of copied) {
      expect(existsSync(join(repository, path)), path).toBe(true);
      expect(allowed, path).toContain(path);
    }
    for (const path of allowed)
      expect(copied, `${path} is let through and not used`).toContain(path);
  });

  test("installs with the list of every workspace, without which npm ci refuses", () => {
    for (const workspace of manifest.workspaces)
      expect(copied).toContain(`${workspace}/package.json`);
  });

  test("runs scripts that package.json has, on the Node that this repository is tested with", () => {
    const scripts = of("RUN").flatMap((text) => /^npm run (\S+)/.exec(text)?.[1] ?? []);
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(scripts));
    const bases = of("FROM").map((text) => text.split(" ")[0]);
    expect(new Set(bases)).toEqual(
      new Set([`node:${manifest.devDependencies["node"]}-bookworm-slim`]),
    );
  });

  test("starts the command line without privileges, and asks a route that there is for its health", () => {
    expect(JSON.parse(of("ENTRYPOINT")[0] ?? "")).toEqual([
      "node",
      manifest.bin["millrace"]?.replace("./", ""),
    ]);
    expect(commands).toContain((JSON.parse(of("CMD")[0] ?? "") as string[])[0]);
    expect(of("USER")).toEqual(["node"]);
    const route = /\/v1\/\w+/.exec(of("HEALTHCHECK")[0] ?? "")?.[0] ?? "";
    expect(read("src/http/routes/system.ts")).toContain(`"${route}"`);
  });
});
