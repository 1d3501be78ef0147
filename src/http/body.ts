// Reading request bodies: bounded bytes, JSON only, bounded depth, no key that could reach a prototype.
import { HttpProblem } from "./problem.ts";

/** Largest body of a request for one job: an input at its bound (256 KiB), escaped once more inside `Data`, and options. */
export const MAX_BODY_BYTES = 1_048_576;
/** Largest body of a bulk request: a thousand jobs of 16 KiB each. */
export const MAX_BULK_BODY_BYTES = 16_777_216;
/** Deepest nesting of a body: JSON.stringify and schema libraries recurse, and a stack must not be a client's to end. */
const MAX_JSON_DEPTH = 64;

/** Decodes whole bodies. It keeps nothing between two of them, so one serves all. */
const WHOLE_TEXT = new TextDecoder("utf-8", { fatal: true });

/** Reads and parses a body, or throws the problem with it. */
export async function readJsonBody(request: Request, maxBytes: number): Promise<unknown> {
  const contentType = request.headers.get("content-type");
  if (!isJson(contentType)) {
    throw new HttpProblem("UNSUPPORTED_MEDIA_TYPE", {
      detail: `the content type is ${contentType ?? "absent"}; send content-type: application/json`,
    });
  }
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new HttpProblem("UNSUPPORTED_MEDIA_TYPE", {
      detail: `the content encoding is ${encoding}; send the body as it is`,
      headers: { "accept-encoding": "identity" },
    });
  }
  let text: string;
  try {
    text = await readText(request, maxBytes);
  } catch (thrown) {
    if (thrown instanceof HttpProblem) throw thrown;
    throw new HttpProblem("MALFORMED_REQUEST", { detail: "the body ended before it was complete" });
  }
  return parseJson(text, "the body");
}

/** Reads a body that may be absent; then it counts as `{}`. */
export async function readOptionalJsonBody(request: Request, maxBytes: number): Promise<unknown> {
  const length = request.headers.get("content-length");
  const isAbsent =
    request.headers.get("transfer-encoding") === null && (length === null || length === "0");
  // A body that was sent without saying so (a handler mounted elsewhere) is still found by its type.
  if (isAbsent && request.headers.get("content-type") === null) return {};
  if (isAbsent && length === "0") return {};
  return readJsonBody(request, maxBytes);
}

function isJson(contentType: string | null): boolean {
  if (contentType === null) return false;
  if (contentType === "application/json") return true;
  const [type = ""] = contentType.split(";", 1);
  return type.trim().toLowerCase() === "application/json";
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const length = request.headers.get("content-length");
  if (length === null) return readBounded(request, maxBytes);
  // The server holds a body to its declared length, so the quick way of reading it is bounded by the header.
  if (!/^\d{1,15}$/.test(length)) {
    throw new HttpProblem("MALFORMED_REQUEST", {
      detail: `content-length is ${JSON.stringify(length)}; expected a whole number`,
    });
  }
  if (Number(length) > maxBytes) throw tooLarge(maxBytes);
  // Not text(): it puts U+FFFD in the place of what is no UTF-8.
  return decode(WHOLE_TEXT, new Uint8Array(await request.arrayBuffer()));
}

function notUtf8(): HttpProblem {
  return new HttpProblem("MALFORMED_REQUEST", {
    detail: "the body is not UTF-8, as JSON must be; encode it, or send binary data as base64",
  });
}

async function readBounded(request: Request, maxBytes: number): Promise<string> {
  if (request.body === null) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    text += decode(decoder, chunk, true);
  }
  return text + decode(decoder);
}

function decode(
  decoder: InstanceType<typeof TextDecoder>,
  bytes?: Uint8Array,
  hasMore = false,
): string {
  try {
    return decoder.decode(bytes, { stream: hasMore });
  } catch {
    throw notUtf8();
  }
}

function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem("TOO_LARGE", {
    detail: `the body is over ${maxBytes} bytes. Put large data on a shared resource and a reference to it in the job`,
    // The rest of the body is not read, so the connection can't be used again.
    headers: { connection: "close" },
  });
}

/** Parses JSON text that came from outside, and refuses what is too deep or aims at a prototype. */
export function parseJson(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message.replace(/, ?".*$/s, "") : "";
    throw new HttpProblem("MALFORMED_REQUEST", { detail: `${what} is not JSON: ${reason}` });
  }
  checkShape(value, what, 0);
  return value;
}

function checkShape(value: unknown, what: string, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth >= MAX_JSON_DEPTH) {
    throw new HttpProblem("MALFORMED_REQUEST", {
      detail: `${what} is nested deeper than ${MAX_JSON_DEPTH} levels`,
    });
  }
  if (Array.isArray(value)) {
    for (const item of value) checkShape(item, what, depth + 1);
    return;
  }
  for (const key in value) {
    if (key === "__proto__") {
      throw new HttpProblem("MALFORMED_REQUEST", {
        detail: `${what} has a key named __proto__, which is never accepted`,
      });
    }
    checkShape((value as Record<string, unknown>)[key], what, depth + 1);
  }
}
