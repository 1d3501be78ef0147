// `millrace verify`: each planted mistake is named with its section, and a program without one passes.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { verifyProgram } from "millrace";
import { afterAll, describe, expect, test } from "vitest";
import { Guardian } from "../../src/processes/index.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const program = (name: string): string =>
  fileURLToPath(new URL(`./programs/${name}`, import.meta.url));

const guardian = new Guardian(() => {});
afterAll(async () => guardian.stop());

function verify(...args: readonly string[]): {
  readonly status: number | null;
  readonly output: string;
} {
  const ran = spawnSync(
    process.execPath,
    ["--conditions=millrace-source", main, "verify", ...args],
    {
      encoding: "utf8",
    },
  );
  return { status: ran.status, output: ran.stdout + ran.stderr };
}

describe("millrace verify", () => {
  test("passes a program that keeps the protocol, kept warm or not", () => {
    const input = ["--input", '{"act":"add","a":1,"b":2}'];
    expect(verify(...input, "--", "node", program("speaks.mjs"))).toMatchObject({ status: 0 });
    const warm = verify(...input, "--warm", "--", "node", program("speaks.mjs"));
    expect(warm).toMatchObject({
      status: 0,
      output: expect.stringContaining("keeps the protocol"),
    });
  });

  test.each([
    ["no-hello", "2", /first line/],
    ["hello-twice", "2", /comes once/],
    ["not-json", "3", /working on it/],
    ["unknown-kind", "3", /"status"/],
    ["progress-without-value", "3.1", /no value/],
    ["log-with-unknown-level", "3.2", /"loud"/],
    ["result-without-value", "3.3", /no value/],
    ["error-without-message", "3.4", /no message/],
    ["snooze-without-delay", "3.5", /delayMs/],
    ["two-outcomes", "3", /second time/],
    ["no-outcome", "3.3", /never said/],
    ["too-long", "3", /longer than/],
    ["result-and-failure", "4", /exit code 1/],
  ])("names the mistake %s", async (mistake, section, problem) => {
    const { mistakes } = await verifyProgram({
      argv: ["node", program("mistaken.mjs"), mistake],
      inputText: "{}",
      isWarm: false,
      timeoutMs: 5_000,
      guardian,
    });
    const named = mistakes.filter((found) => found.section === section);
    expect(named.map((found) => found.problem)).toEqual([expect.stringMatching(problem)]);
  });

  test("names a program that does not end when it is asked to, or when its input ends", () => {
    const deaf = verify("--timeout", "1s", "--", "node", program("mistaken.mjs"), "deaf");
    expect(deaf.output).toMatch(/section 4: it did not end its job/);
    const warm = verify(
      "--timeout",
      "1s",
      "--warm",
      "--",
      "node",
      program("mistaken.mjs"),
      "none",
      "--warm",
    );
    expect(warm.output).toMatch(/section 5: it did not say within 1000 ms how job 2 ended/);
    expect(warm.output).toMatch(/section 5: it did not end when its input ended/);
  });

  test("says what is wrong with its own arguments", () => {
    expect(verify("--input", "{", "--", "true")).toMatchObject({ status: 2 });
    expect(verify("--", "./no-such-program")).toMatchObject({
      status: 1,
      output: expect.stringMatching(/could not be started/),
    });
  });
});
