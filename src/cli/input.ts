// What people type: JSON inputs.
import { readFile } from "node:fs/promises";
import { MillraceError } from "../core/index.ts";

/**
 * A job's input as JSON; `-` reads it from standard input.
 *
 * @throws MillraceError `INVALID_INPUT`
 */
export async function readInput(text: string | undefined): Promise<unknown> {
  if (text === undefined) return undefined;
  const source = text === "-" ? await readStandardInput() : text;
  try {
    return JSON.parse(source) as unknown;
  } catch (cause) {
    throw new MillraceError("INVALID_INPUT", {
      message: `the input is not JSON: ${cause instanceof Error ? cause.message : ""}. Quote it for the shell, as in '{"a": 1}'`,
      cause,
    });
  }
}

/**
 * A JSON document in a file; `-` reads it from standard input.
 *
 * @throws MillraceError `INVALID_ARGUMENT` where the file can't be read, `INVALID_INPUT` where it is not JSON
 */
export async function readDocument(path: string): Promise<unknown> {
  let source: string;
  try {
    source = path === "-" ? await readStandardInput() : await readFile(path, "utf8");
  } catch (cause) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `${path} can't be read: ${cause instanceof Error ? cause.message : ""}`,
      cause,
    });
  }
  try {
    return JSON.parse(source) as unknown;
  } catch (cause) {
    throw new MillraceError("INVALID_INPUT", {
      message: `${path === "-" ? "standard input" : path} is not JSON: ${cause instanceof Error ? cause.message : ""}`,
      cause,
    });
  }
}

async function readStandardInput(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) text += String(chunk);
  return text;
}
