// Signs calls to other services, and checks such signatures, after the Standard Webhooks specification (v1).
import { createHmac, timingSafeEqual } from "node:crypto";
import { MillraceError } from "../../core/errors.ts";

/** The headers of a signed call. */
export interface SignatureHeaders {
  readonly "webhook-id": string;
  /** Seconds since 1970. */
  readonly "webhook-timestamp": string;
  /** `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several are separated by spaces. */
  readonly "webhook-signature": string;
}

/** What is signed. */
export interface SignedParts {
  readonly id: string;
  readonly atMs: number;
  readonly body: string;
}

/** A call older or newer than this is refused: the specification's advice against replay. */
const TOLERANCE_MS = 5 * 60_000;
const SECRET_PREFIX = "whsec_";
/** The specification asks for 24 to 64 bytes. */
const MIN_SECRET_BYTES = 24;

/**
 * Reads a secret: `whsec_` and base64.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function readSecret(secret: string): Buffer {
  const bytes = Buffer.from(secret.replace(SECRET_PREFIX, ""), "base64");
  if (!secret.startsWith(SECRET_PREFIX) || bytes.length < MIN_SECRET_BYTES) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `a signing secret is "${SECRET_PREFIX}" and the base64 of at least ${MIN_SECRET_BYTES} random bytes; make one with: node -p "'${SECRET_PREFIX}' + crypto.randomBytes(32).toString('base64')"`,
    });
  }
  return bytes;
}

/** Signs a call. */
export function signWebhook(secret: Buffer, { id, atMs, body }: SignedParts): SignatureHeaders {
  const timestamp = String(Math.floor(atMs / 1_000));
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${digest(secret, id, timestamp, body).toString("base64")}`,
  };
}

/**
 * Checks that a call was signed with the secret, and lately. For the receiving side.
 *
 * @param secret as configured: `whsec_...`
 * @throws MillraceError `UNAUTHORIZED` that says what did not fit, `INVALID_ARGUMENT` for a secret of another form
 * @example verifyWebhook(process.env.SECRET, request.headers, await request.text(), Date.now());
 */
export function verifyWebhook(
  secret: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: string,
  nowMs: number,
): void {
  const key = readSecret(secret);
  const id = headerOf(headers, "webhook-id");
  const timestamp = headerOf(headers, "webhook-timestamp");
  const given = headerOf(headers, "webhook-signature");
  const atMs = Number(timestamp) * 1_000;
  if (!(Math.abs(nowMs - atMs) <= TOLERANCE_MS)) {
    throw unauthorized("webhook-timestamp is more than five minutes off");
  }
  const expected = digest(key, id, timestamp, body);
  const fits = given.split(" ").some((signature) => {
    const bytes = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
  if (!fits) throw unauthorized("webhook-signature does not fit the body and the secret");
}

function digest(secret: Buffer, id: string, timestamp: string, body: string): Buffer {
  return createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest();
}

function headerOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  name: keyof SignatureHeaders,
): string {
  const value = headers[name];
  if (typeof value !== "string" || value === "")
    throw unauthorized(`the header ${name} is missing`);
  return value;
}

function unauthorized(message: string): MillraceError {
  return new MillraceError("UNAUTHORIZED", { message });
}
