// What the README says to paste is pasted, and does what it says.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Running, repository, scratch, start, startCommand } from "../cli/command-line.ts";

const readme = await readFile(join(repository, "README.md"), "utf8");
const blocks = [...readme.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, text]) => ({
  language: language ?? "",
  text: text ?? "",
}));
const shell = blocks.filter(({ language }) => language === "sh").map(({ text }) => text);

let directory: Awaited<ReturnType<typeof scratch>>;
let env: Record<string, string>;
let service: Running;
let url = "";

beforeAll(async () => {
  directory = await scratch();
  env = { MILLRACE_STORE: `sqlite:${join(directory.path, "readme.db")}`, MILLRACE_PORT: "0" };
  service = startCommand(["start"], { env });
  url = await service.line(/"url":"([^"]+)".*job service listening/);
});
afterAll(async () => {
  await service.stop();
  await directory[Symbol.asyncDispose]();
});

/** Runs a sample in bash, against the service of this test. */
async function paste(text: string): Promise<string> {
  const child = spawn("bash", ["-c", text.replaceAll("http://127.0.0.1:8000", url)], {
    cwd: repository,
    env: { ...process.env, ...env, NO_COLOR: "1" },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
  child.stdin.end();
  await once(child, "close");
  return output;
}

function sample(part: string): string {
  const found = shell.find((text) => text.includes(part));
  if (found === undefined) throw new Error(`the README has no sample with ${part}`);
  return found;
}

test("the first screen has the two commands and a curl line for POST /job", async () => {
  const first = readme.split("\n").slice(0, 25).join("\n");
  expect(first).toContain("npm ci && npm start");
  expect(first).toContain("npm ci && npm test");
  const output = await paste(sample('"Type":"Sleep"').replace(": 10,", ": 0,"));
  expect(output).toMatch(/^\{"id":"[0-9a-f-]{36}","state":"ready"\}$/);
  await service.line(/"msg":"Hello World"/);
});

test("the 25 lines run, and are 25", async () => {
  const code = blocks.find(({ language }) => language === "ts")?.text ?? "";
  expect(code.trim().split("\n").length).toBeLessThanOrEqual(25);
  const path = join(repository, "test/examples/.readme-sample.ts");
  await writeFile(path, code.replace("sqlite:millrace.db", "memory:"));
  try {
    const program = start(process.execPath, ["--conditions=millrace-source", path]);
    expect(await program.end()).toBe(0);
    expect(program.output()).toMatch(/receiptId: '[0-9a-f-]{36}'/);
    expect(program.output()).not.toContain("4111111111111111");
  } finally {
    await rm(path, { force: true });
  }
});

test("real work is followed to its result", async () => {
  expect(await paste(sample("hash-tree"))).toMatch(/succeeded: \{"files":\d+/);
});

test("a page is checked, a job cancelled, events are streamed", async () => {
  const checked = await paste(sample("check-page"));
  expect(checked).toMatch(/^\{"id":"[^"]+","state":"ready","type":"check-page","isNew":true\}/);
  expect(checked).toContain("check-page");
  expect(await paste(sample("cancel $ID"))).toMatch(/(cancelled|asked to stop)[^]*too long/);
  const following = paste(sample("/v1/events").replace(/^npm run.*$/m, ""));
  expect(await following).toContain("retry: 1000");
  // Four times npm and a process: a minute is too short for that where others use the machine.
}, 180_000);

test("every command and script that the README names is there", async () => {
  const { scripts } = JSON.parse(await readFile(join(repository, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  for (const [, name] of readme.matchAll(/npm run (?:-s )?([\w:]+)/g)) {
    expect(scripts).toHaveProperty([name ?? ""]);
  }
  for (const [, path = "", heading] of readme.matchAll(
    /\]\(((?:docs|examples|millrace)[^)#]*)(?:#([^)]*))?\)/g,
  )) {
    const found = await readFile(join(repository, path), "utf8").catch(
      (error: NodeJS.ErrnoException) => error.code === "EISDIR" && "a folder",
    );
    expect(found, path).toBeTruthy();
    expect(["", ...headingsOf(String(found))], path).toContain(heading ?? "");
  }
});

/** The anchors that a Markdown document's headings have. */
function headingsOf(document: string): readonly string[] {
  return [...document.matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
}
