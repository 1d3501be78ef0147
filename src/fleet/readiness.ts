// Whether a member is ready or healthy: by a TCP connection, an HTTP reply or a line of its output.
import { get } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { OptionNames } from "../core/arguments.ts";
import { MillraceError } from "../core/errors.ts";
import { checkPlaceholders, fillPlaceholders } from "../processes/index.ts";
import type { PlaceholderValues } from "../processes/index.ts";
import { lookupLoopback } from "./loopback.ts";

/**
 * How a member shows that it is ready. `"tcp"`: its port takes a connection. `"started"`: as soon as
 * it runs. `http`: a GET of this URL is answered with a status from 200 to 399. `line`: a line of its
 * output matches.
 */
export type Readiness =
  | "tcp"
  | "started"
  | { readonly http: string }
  | { readonly line: string | RegExp };

/** How a ready member is checked, if at all. */
export type HealthCheck = "tcp" | { readonly http: string };

type ProbeOf<Name extends string> = Extract<Readiness, Readonly<Record<Name, unknown>>>;

/** The names of a probe, where it is an object. */
export const READINESS_NAMES: OptionNames<ProbeOf<"http"> & ProbeOf<"line">> = {
  http: true,
  line: true,
};
/** The names of a health check, where it is an object. */
export const CHECK_NAMES: OptionNames<Exclude<HealthCheck, string>> = { http: true };

/** Placeholders that commands, URLs and checks may use. */
export const MEMBER_PLACEHOLDERS: readonly string[] = ["id", "port", "start"];

/** A start is often a matter of 50 ms, so the first looks come fast; a slow one is not worth so many. */
const EAGER_EVERY_MS = 10;
const EAGER_FOR_MS = 1_000;
const PATIENT_EVERY_MS = 100;
/** A port of this machine answers in less than a millisecond, a busy program in more. */
const PROBE_WITHIN_MS = 2_000;

/**
 * Checks what the owner said.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkProbe(probe: Readiness | HealthCheck): void {
  if (typeof probe === "string" || "line" in probe) return;
  checkPlaceholders(probe.http, MEMBER_PLACEHOLDERS);
  const url = URL.parse(fillPlaceholders(probe.http, { id: 1, port: 1, start: 1 }));
  if (url?.protocol === "http:") return;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `"${probe.http}" can't be asked; expected a URL such as "http://localhost:{port}/health"`,
  });
}

/** One look at a member. */
export function probeOnce(
  probe: HealthCheck,
  values: PlaceholderValues,
  signal: AbortSignal,
): Promise<boolean> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(PROBE_WITHIN_MS)]);
  if (probe === "tcp") return takesConnection(Number(values["port"]), within);
  return answers(fillPlaceholders(probe.http, values), within);
}

/** Looks until a member is ready; rejects when `signal` aborts. */
export async function waitUntilReady(
  probe: HealthCheck,
  values: PlaceholderValues,
  signal: AbortSignal,
): Promise<void> {
  const eagerUntilMs = performance.now() + EAGER_FOR_MS;
  while (!(await probeOnce(probe, values, signal))) {
    const isEager = performance.now() < eagerUntilMs;
    await sleep(isEager ? EAGER_EVERY_MS : PATIENT_EVERY_MS, undefined, { signal });
  }
}

function takesConnection(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    let isTaken = false;
    const socket = connect({ port, host: "localhost", lookup: lookupLoopback, signal });
    socket.on("connect", () => {
      // A connection from a port to itself is what TCP makes of a port nobody listens on, sometimes.
      isTaken = socket.localPort !== port;
      socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    // Only once it is closed: a program may take one connection at a time.
    socket.on("close", () => resolve(isTaken));
  });
}

function answers(url: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    let isHealthy = false;
    const request = get(url, { agent: false, lookup: lookupLoopback, signal }, (response) => {
      const status = response.statusCode ?? 0;
      isHealthy = status >= 200 && status < 400;
      response.destroy();
    });
    request.on("error", () => undefined);
    request.on("close", () => resolve(isHealthy));
  });
}
