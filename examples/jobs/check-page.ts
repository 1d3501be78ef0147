// Fetches and checks a web page, politely: one request a second to a host, Retry-After honoured, failures tried again.
import { createHash } from "node:crypto";
import { setTimeout as sleepFor } from "node:timers/promises";
import { defineJob, fatal, retryAfter } from "millrace";
import { z } from "zod";

/** Time between two requests to one host. */
const MIN_INTERVAL_MS = Number(process.env["CHECK_PAGE_INTERVAL_MS"] ?? 1_000);
/** Largest page read: a check needs no more. */
const MAX_PAGE_BYTES = 5_000_000;
/** Hosts whose last request is remembered. */
const MAX_HOSTS = 10_000;
/** Longest wait that a server's Retry-After is granted. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** When each host may be asked again. One process asks politely; run this type in one worker. */
const nextTurnMs = new Map<string, number>();

export const checkPage = defineJob({
  name: "check-page",
  input: z.object({
    url: z.url({ protocol: /^https?$/ }),
    /** Text that the page must contain. */
    contains: z.string().optional(),
  }),
  concurrency: 5,
  timeout: "1m",
  retry: { attempts: 5, backoff: "exponential" },
  async run({ input, signal, log }) {
    await takeTurn(new URL(input.url).host, signal);
    const startedMs = performance.now();
    const response = await fetch(input.url, {
      signal,
      headers: {
        "user-agent": "millrace-check-page/1.0",
      },
    });
    await refuseStatus(response);
    const body = await readPage(response);
    const page = new TextDecoder().decode(body);
    if (input.contains !== undefined && !page.includes(input.contains)) {
      throw fatal(`the page does not contain ${JSON.stringify(input.contains)}`);
    }
    const durationMs = Math.round(performance.now() - startedMs);
    log.info(`${response.status} ${input.url} in ${durationMs} ms`);
    return {
      status: response.status,
      title: /<title[^>]*>([^<]*)/i.exec(page)?.[1]?.trim() ?? null,
      bytes: body.byteLength,
      sha256: createHash("sha256").update(body).digest("hex"),
      durationMs,
    };
  },
});

/** Waits until this host may be asked, and takes the turn. */
async function takeTurn(host: string, signal: AbortSignal): Promise<void> {
  const nowMs = Date.now();
  const turnMs = Math.max(nowMs, nextTurnMs.get(host) ?? 0);
  if (nextTurnMs.size >= MAX_HOSTS) nextTurnMs.clear();
  nextTurnMs.set(host, turnMs + MIN_INTERVAL_MS);
  if (turnMs > nowMs) await sleepFor(turnMs - nowMs, undefined, { signal });
}

/** A server that is busy says when to come back; what is wrong with the request stays wrong; the rest may pass. */
async function refuseStatus(response: Response): Promise<void> {
  if (response.ok) return;
  await response.body?.cancel();
  const { status } = response;
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  if ((status === 429 || status === 503) && Number.isFinite(seconds)) {
    throw retryAfter(
      Math.min(seconds * 1_000, MAX_RETRY_AFTER_MS),
      `the server answered ${status}`,
    );
  }
  if (status < 500 && status !== 429) throw fatal(`the server answered ${status}`);
  throw new Error(`the server answered ${status}`);
}

async function readPage(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_PAGE_BYTES) throw fatal(`the page is over ${MAX_PAGE_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
