// What an error of the server or of the connection means: wait and try again, or tell the caller.
import { MillraceError } from "../../../core/errors.ts";
import { MAX_LANES } from "../layout.ts";

/**
 * Answers that pass: the server loads its data, is a replica for now, moves a slot, has no quorum, runs a script of
 * someone else, or has too few replicas for the moment.
 */
const PASSING =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|NOREPLICAS|UNBLOCKED|MISCONF)\b/;
const REFUSED = /^(NOAUTH|WRONGPASS|NOPERM|ERR AUTH|DENIED)/;

/** What becomes of a failed call. */
export type Verdict = "again" | "no-script" | "full" | "refused" | "failed";

/** Judges an error. */
export function judge(error: unknown): Verdict {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message.startsWith("EXECABORT") ? reasonOfAbort(error) : undefined;
  if (reason !== undefined) return judge(reason);
  if (message.startsWith("NOSCRIPT")) return "no-script";
  if (message.startsWith("OOM ")) return "full";
  if (REFUSED.test(message)) return "refused";
  if (PASSING.test(message)) return "again";
  // What is no answer of the server is of the connection: closed, refused, timed out, not yet there.
  return isAnswer(error) ? "failed" : "again";
}

/** A transaction that was discarded says only that: why says the command that was refused, which ioredis keeps with it. */
function reasonOfAbort(error: unknown): Error | undefined {
  return (error as { readonly previousErrors?: readonly Error[] }).previousErrors?.[0];
}

/** What TLS says of a certificate: `ERR_TLS_CERT_ALTNAME_INVALID`, `DEPTH_ZERO_SELF_SIGNED_CERT`, ... */
const OF_CERTIFICATE = /CERT|UNABLE_TO_VERIFY|SELF_SIGNED/;

/** Whether a connection failed because of the server's certificate. */
export function isOfCertificate(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && OF_CERTIFICATE.test(code);
}

function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** The error that a caller sees. */
export function toStoreError(error: unknown, verdict: Verdict, what: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith("LANES ")) {
    return new MillraceError("TOO_MANY", {
      message: `a queue has more than ${MAX_LANES} kinds of waiting jobs (type, required labels and head start): use fewer head starts or labels, or more queues; kinds that nobody uses any more are forgotten after a while`,
      cause: error,
    });
  }
  if (verdict === "full") {
    return new MillraceError("STORE_FULL", {
      message: `the store has no memory left for ${what}: raise maxmemory, or let workers work off what waits (running jobs can still end)`,
      cause: error,
    });
  }
  if (verdict === "again") {
    return new MillraceError("STORE_BUSY", {
      message: `the store did not answer ${what} in time; last: ${message}`,
      cause: error,
    });
  }
  return new MillraceError("STORE_FAILED", {
    message: `the store refused ${what}: ${message}`,
    cause: error,
  });
}
