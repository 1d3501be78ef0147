// The demo of `npm run demo:rollup`, with shorter windows.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";

const DEMO = new URL("../../examples/rollup-server/demo.ts", import.meta.url).pathname;

it("the demo ends with a correct verdict", async () => {
  const demo = spawn(process.execPath, ["--conditions=millrace-source", DEMO, "--every-ms", "700"]);
  let output = "";
  for (const stream of [demo.stdout, demo.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(demo, "close")) as [number | null];
  expect(output).toMatch(/^CORRECT: \d+ reports with \d+ messages/m);
  expect(code).toBe(0);
});
