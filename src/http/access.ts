// Who may do what: the one decision that every route, streams included, asks before anything else.
import { hash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { MillraceError, type OptionNames } from "../core/index.ts";
import { HttpProblem } from "./problem.ts";

/**
 * What a token can grant. `read`: look at everything; `enqueue`: add jobs; `work`: take and settle jobs as a remote
 * worker; `admin`: all of these, and changing what is there (cancel, retry, remove, pause, resume).
 */
export const SCOPES = ["read", "enqueue", "work", "admin"] as const;
/** One of {@link SCOPES}. */
export type Scope = (typeof SCOPES)[number];

/** A bearer token and what it grants. */
export interface TokenOptions {
  /** Who holds it, for logs and for `by`. */
  readonly name: string;
  /** At least {@link MIN_TOKEN_LENGTH} characters. */
  readonly token: string;
  readonly scopes: readonly Scope[];
}

/** Who a request comes from, once let in. */
export interface Caller {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Let in without saying who it is. */
  readonly isAnonymous?: boolean;
}

/** How a service decides whom it lets in. One of `tokens`, `authorize` and `unauthenticated` is needed. */
export interface AccessOptions {
  /** Bearer tokens. When there are any, every request needs one. */
  readonly tokens?: readonly TokenOptions[];
  /** The host program's own decision, in place of tokens: `null` refuses. */
  readonly authorize?: (request: Request) => Caller | null | Promise<Caller | null>;
  /**
   * Lets requests without a token in: `"loopback"` those from this machine that name it as their host;
   * `"private-network"` all of them, for networks where everyone may do everything.
   */
  readonly unauthenticated?: "loopback" | "private-network";
  /** Names, beside loopback ones, that requests without a token may use for this service. */
  readonly allowedHosts?: readonly string[];
  /** Web origins, beside the service's own, whose pages may call it: `https://ops.example`. */
  readonly allowedOrigins?: readonly string[];
}

const TOKEN_NAMES: OptionNames<TokenOptions> = { name: true, token: true, scopes: true };
/** The names of what is said of access. */
export const ACCESS_NAMES: OptionNames<AccessOptions> = {
  tokens: TOKEN_NAMES,
  authorize: true,
  unauthenticated: true,
  allowedHosts: true,
  allowedOrigins: true,
};

/** What is known of a request's connection, where the server tells. */
export interface Connection {
  readonly remoteAddress: string | undefined;
}

/** Decides about one request; throws the problem of one that is refused. `null` asks only who it is. */
export type AccessCheck = (
  request: Request,
  scope: Scope | null,
  connection: Connection,
) => Caller | Promise<Caller>;

/** Shortest token: 16 random characters can't be guessed over a network. */
const MIN_TOKEN_LENGTH = 16;

/** How each kind of refused caller may come in. */
const SEND_TOKEN = "send a token: authorization: Bearer TOKEN";
const SIGN_IN =
  "the program that this service is part of does not know who asks; sign in there, or send what it expects";
const STAY_HERE =
  "without tokens this service answers to its own machine alone; ask from there, or give the service tokens";

const EVERYONE: Caller = { name: "anonymous", scopes: SCOPES, isAnonymous: true };

/**
 * Makes the decision. Nothing is let in by default.
 *
 * @throws MillraceError `INVALID_CONFIG` when no way in is given, or a token is weak or named twice
 */
export function createAccessCheck(options: AccessOptions): AccessCheck {
  const identify = createIdentify(options);
  const origins = new Set(options.allowedOrigins);
  const hosts = new Set(options.allowedHosts?.map((host) => host.toLowerCase()));
  const isOpen = options.unauthenticated !== undefined && noTokens(options);
  const wayIn = options.authorize === undefined ? SEND_TOKEN : SIGN_IN;
  return (request, scope, connection) => {
    checkOrigin(request, origins);
    if (isOpen) checkOpen(request, connection, options.unauthenticated, hosts);
    const caller = identify(request);
    return caller instanceof Promise
      ? caller.then((who) => decide(who, scope, wayIn))
      : decide(caller, scope, wayIn);
  };
}

function decide(caller: Caller | null, scope: Scope | null, wayIn: string): Caller {
  if (caller === null) throw unauthorized(wayIn);
  if (scope !== null && !grants(caller, scope)) throw forbidden(caller, scope);
  return caller;
}

function noTokens(options: AccessOptions): boolean {
  return (options.tokens?.length ?? 0) === 0 && options.authorize === undefined;
}

function createIdentify(
  options: AccessOptions,
): (request: Request) => Caller | null | Promise<Caller | null> {
  if (options.authorize !== undefined) return options.authorize;
  if (!noTokens(options)) return createTokenIdentify(options.tokens ?? []);
  if (options.unauthenticated === undefined) {
    throw new MillraceError("INVALID_CONFIG", {
      message:
        'the service has no tokens, and lets nobody in without one. Give tokens or authorize; or unauthenticated: "loopback" for this machine alone, or "private-network" where everyone may do everything',
    });
  }
  return () => EVERYONE;
}

function createTokenIdentify(tokens: readonly TokenOptions[]): (request: Request) => Caller | null {
  const known = tokens.map(({ name, token, scopes }) => {
    if (token.length < MIN_TOKEN_LENGTH) {
      throw new MillraceError("INVALID_CONFIG", {
        message: `the token named ${name} has ${token.length} characters; expected at least ${MIN_TOKEN_LENGTH}, for example from: openssl rand -hex 32`,
      });
    }
    return { caller: { name, scopes }, digest: digestOf(token) };
  });
  if (new Set(known.map(({ caller }) => caller.name)).size < known.length) {
    throw new MillraceError("INVALID_CONFIG", { message: "two tokens have one name" });
  }
  return (request) => {
    const header = request.headers.get("authorization");
    if (header === null || !/^bearer /i.test(header)) return null;
    const given = digestOf(header.slice(7).trim());
    let found: Caller | null = null;
    // Digests of one length, compared in constant time, and all of them each time: timing tells nothing.
    for (const { caller, digest } of known) if (timingSafeEqual(given, digest)) found = caller;
    return found;
  };
}

function digestOf(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

/** Whether a caller may do what a scope stands for. */
function grants(caller: Caller, scope: Scope): boolean {
  return caller.scopes.includes(scope) || caller.scopes.includes("admin");
}

/** Browsers say where a request comes from; other programs don't, and need not. */
function checkOrigin(request: Request, allowed: ReadonlySet<string>): void {
  const origin = request.headers.get("origin");
  if (origin !== null) {
    if (allowed.has(origin) || isOwnOrigin(origin, request.headers.get("host"))) return;
    throw new HttpProblem("FOREIGN_ORIGIN", {
      detail: "the request comes from a web page of another origin; allow it by allowedOrigins",
    });
  }
  const site = request.headers.get("sec-fetch-site");
  if (site === "cross-site" || site === "same-site") throw new HttpProblem("FOREIGN_ORIGIN");
}

function isOwnOrigin(origin: string, host: string | null): boolean {
  const url = URL.parse(origin);
  return url !== null && host !== null && url.host === host.toLowerCase();
}

/** A page can make a browser call any address under a name of its own (DNS rebinding): so the name must be known. */
function checkOpen(
  request: Request,
  connection: Connection,
  unauthenticated: AccessOptions["unauthenticated"],
  hosts: ReadonlySet<string>,
): void {
  const name = hostName(request.headers.get("host"));
  const isKnown = name !== null && (isLoopbackName(name) || hosts.has(name));
  if (unauthenticated === "loopback") {
    const { remoteAddress } = connection;
    if (remoteAddress !== undefined && !isLoopbackAddress(remoteAddress))
      throw unauthorized(STAY_HERE);
    if (!isKnown) throw foreignHost(name);
    return;
  }
  // Addresses can't be rebound, nor can names without a dot, which no public name server answers for.
  const isPlain = name !== null && (isIP(name) !== 0 || !name.includes("."));
  if (!isKnown && !isPlain) throw foreignHost(name);
}

/** The name or address in a Host header, without port and brackets, in lower case. */
export function hostName(host: string | null): string | null {
  if (host === null) return null;
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
}

/** Whether a name or address stands for this machine alone. */
export function isLoopbackName(name: string): boolean {
  return name === "localhost" || isLoopbackAddress(name);
}

function isLoopbackAddress(address: string): boolean {
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain === "::1" || (isIP(plain) === 4 && plain.startsWith("127."));
}

/** The standard wants a challenge with every 401, whatever the way in is. */
function unauthorized(wayIn: string): HttpProblem {
  return new HttpProblem("UNAUTHORIZED", {
    detail: wayIn,
    headers: { "www-authenticate": 'Bearer realm="millrace"' },
  });
}

function forbidden(caller: Caller, scope: Scope): HttpProblem {
  return new HttpProblem("FORBIDDEN", {
    detail: `the token named ${caller.name} grants ${caller.scopes.join(", ")}; this needs ${scope}`,
  });
}

function foreignHost(name: string | null): HttpProblem {
  return new HttpProblem("FOREIGN_HOST", {
    detail: `the host ${JSON.stringify(name)} is not this service's; use 127.0.0.1 or localhost, or allow the name by allowedHosts`,
  });
}
