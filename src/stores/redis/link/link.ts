// The connection to the servers: script calls with a deadline, tried again through whatever passes.
import type { Writable } from "node:stream";
import type { Cluster, Redis } from "ioredis";
import { MillraceError } from "../../../core/errors.ts";
import { type SharedClock, shiftOf } from "../../clock.ts";
import { type Driver, connect, loadDriver } from "./connect.ts";
import { type Deadlines, NoAnswer, createDeadlines } from "./deadlines.ts";
import { Gathering } from "./gathering.ts";
import { isOfCertificate, judge, toStoreError } from "./failures.ts";
import { type Replicate, replicationOf } from "./replication.ts";
import type { Script } from "../scripts/script.ts";
import { type Address, type RedisLocation, describeLocation } from "../url.ts";
import { Arguments } from "./wire.ts";

/** Longest time that a call may take, tries and waits included. */
export const DEFAULT_DEADLINE_MS = 10_000;
/**
 * Longest wait for the answer to one try: as long as a silent connection is given. On a Cluster a command may wait in
 * the driver for a node that does not come, while another has its slots by now.
 */
const LONGEST_TRY_MS = 3_000;
/** First and longest wait between two tries. A failover of a Cluster takes seconds, a restart of a server less. */
const FIRST_BACKOFF_MS = 10;
const LONGEST_BACKOFF_MS = 250;

/** How calls are sent. */
export interface Link {
  readonly isCluster: boolean;
  readonly client: Redis | Cluster;
  /** By how much a test moved the clock. */
  readonly shiftMs: () => number;
  /**
   * Calls a script on a room's keys. The same bytes are sent again when no answer comes: scripts that must not act
   * twice recognise their nonce.
   *
   * @throws MillraceError `STORE_BUSY`, `STORE_FULL`, `STORE_FAILED`, `STORE_CLOSED`
   */
  call(
    script: Script,
    keys: readonly string[],
    args?: Arguments,
    options?: { readonly deadlineMs?: number; readonly onRetry?: () => void },
  ): Promise<readonly unknown[]>;
  /** Sends one command on a key, with the same patience. Only for commands that may be repeated. */
  command(
    name: string,
    args: readonly (string | number)[],
    options?: { readonly isWrite?: boolean },
  ): Promise<unknown>;
  /** What is called from now on in this turn of the event loop goes to each server in one write. */
  gather(): void;
  /** The address of the primary that has a room's keys, as far as the Cluster's client knows; `null` of another form. */
  primaryOf(keys: readonly string[]): string | null;
  /** A promise of this store's own, with the deadline of a call. */
  limit<Value>(promise: Promise<Value>): Promise<Value>;
  close(): void;
}

/** What a link needs. */
export interface LinkOptions {
  readonly location: RedisLocation;
  /** Replicas that must have a write before it is acknowledged; 0: none. */
  readonly replicas: number;
  readonly deadlineMs: number;
  readonly connectionName: string;
  /** A clock that tests move. */
  readonly clock: SharedClock | undefined;
}

/**
 * Opens a connection, and waits until it works.
 *
 * @throws MillraceError `STORE_FAILED`, `STORE_BUSY`, `INVALID_CONFIG` where ioredis is not installed
 */
export async function openLink(options: LinkOptions): Promise<Link> {
  const link = new RedisLink(await loadDriver(), options);
  try {
    await Promise.race([link.command("ping", []), link.distrusted]);
  } catch (error) {
    link.close();
    // Why connections broke says more than that there is none.
    const reason = link.connectionError ?? error;
    throw new MillraceError("STORE_FAILED", {
      message: `no connection to ${describeLocation(options.location)} within ${options.deadlineMs} ms: ${reason instanceof Error ? reason.message : String(reason)}. Check the address, the credentials, the certificate where there is TLS, and that the server runs`,
      cause: reason,
    });
  }
  return link;
}

interface Limits {
  readonly deadlineMs?: number;
  readonly onRetry?: () => void;
}

class RedisLink implements Link {
  readonly isCluster: boolean;
  readonly client: Redis | Cluster;
  readonly shiftMs: () => number;
  readonly #driver: Driver;
  readonly #deadlineMs: number;
  readonly #deadlines: Deadlines = createDeadlines(() => performance.now());
  readonly #replicate: Replicate | null;
  readonly #slots = new WeakMap<readonly string[], number>();
  readonly #gathering = new Gathering();
  #isClosed = false;
  /** Why the last connection that broke did. */
  connectionError: unknown;
  /** Rejects when the server's certificate is not one to be trusted: trying again mends nothing. */
  readonly distrusted: Promise<never>;

  constructor(driver: Driver, options: LinkOptions) {
    this.#driver = driver;
    this.#deadlineMs = options.deadlineMs;
    this.isCluster = options.location.form === "cluster";
    this.shiftMs = shiftOf(options.clock);
    this.client = connect(driver, options.location, options.connectionName);
    const distrusted = Promise.withResolvers<never>();
    this.distrusted = distrusted.promise;
    this.distrusted.catch(() => {});
    const note = (error: unknown): void => {
      this.connectionError = error;
      if (isOfCertificate(error)) distrusted.reject(error);
    };
    this.client.on("error", note);
    this.client.on("node error", note);
    this.#replicate =
      options.replicas > 0 ? replicationOf(this.client, driver, options.replicas) : null;
  }

  call(
    script: Script,
    keys: readonly string[],
    args?: Arguments,
    limits: Limits = {},
  ): Promise<readonly unknown[]> {
    return this.#attempt(script.name, () => this.#transmit(script, keys, args), limits);
  }

  command(
    name: string,
    args: readonly (string | number)[],
    { isWrite = false }: { readonly isWrite?: boolean } = {},
  ): Promise<unknown> {
    const send = async (): Promise<unknown> => {
      const command = new this.#driver.Command(name, [...args], { replyEncoding: "utf8" });
      return this.#replicate === null || !isWrite
        ? this.client.sendCommand(command)
        : this.#replicate(command);
    };
    return this.#attempt(name, send, {});
  }

  gather(): void {
    this.#gathering.begin();
  }

  primaryOf(keys: readonly string[]): string | null {
    if (!("slots" in this.client)) return null;
    let slot = this.#slots.get(keys);
    if (slot === undefined) {
      slot = new this.#driver.Command("exists", [keys[0] ?? ""]).getSlot() ?? 0;
      this.#slots.set(keys, slot);
    }
    return this.client.slots[slot]?.[0] ?? null;
  }

  async limit<Value>(promise: Promise<Value>): Promise<Value> {
    try {
      return await this.#deadlines.limit(promise, performance.now() + this.#deadlineMs);
    } catch (error) {
      throw toStoreError(error, judge(error), "a request");
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deadlines.close();
    this.client.disconnect();
  }

  /** Tries until it works, an error does not pass, or the deadline comes. */
  async #attempt<Value>(what: string, send: () => Promise<Value>, limits: Limits): Promise<Value> {
    const endAtMs = performance.now() + (limits.deadlineMs ?? this.#deadlineMs);
    for (let tries = 0; ; tries += 1) {
      if (this.#isClosed) throw new MillraceError("STORE_CLOSED");
      try {
        const tryEndAtMs = Math.min(endAtMs, performance.now() + LONGEST_TRY_MS);
        return await this.#deadlines.limit(send(), tryEndAtMs);
      } catch (error) {
        if (this.#isClosed) throw new MillraceError("STORE_CLOSED", { cause: error });
        const verdict = judge(error);
        if (verdict !== "again" || performance.now() >= endAtMs) {
          throw toStoreError(error, verdict, what);
        }
        limits.onRetry?.();
        if (error instanceof NoAnswer && "refreshSlotsCache" in this.client) {
          this.client.refreshSlotsCache();
        }
        await pause(tries, endAtMs - performance.now());
      }
    }
  }

  async #transmit(
    script: Script,
    keys: readonly string[],
    args: Arguments | undefined,
  ): Promise<readonly unknown[]> {
    const placed = script.at({ shiftMs: this.shiftMs(), isCluster: this.isCluster });
    const send = (form: "evalsha" | "eval"): Promise<readonly unknown[]> => {
      // The driver routes by the arguments, and sends what is written here.
      const command = new this.#driver.Command(form, [placed.sha, "1", keys[0] ?? ""]);
      const wire = wireOf(form, placed, keys, args);
      command.toWritable = (socket) => {
        this.#gathering.join(socket as Writable);
        return wire;
      };
      return this.#replicate === null || script.isRead
        ? (this.client.sendCommand(command) as Promise<readonly unknown[]>)
        : this.#replicate(command);
    };
    try {
      return await send("evalsha");
    } catch (error) {
      if (judge(error) !== "no-script") throw error;
      return send("eval");
    }
  }
}

/** Nodes of a Cluster, as far as its client knows them; none of another form. */
export function nodesOf({ client }: Link, role: "all" | "master"): readonly Address[] {
  if (!("nodes" in client)) return [];
  return client.nodes(role).flatMap(({ options: { host, port } }) => {
    return host === undefined || port === undefined ? [] : [{ host, port }];
  });
}

/** Waits with full jitter, so that clients that lost one server do not come back as one. */
function pause(tries: number, leftMs: number): Promise<void> {
  const most = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(tries, 10), LONGEST_BACKOFF_MS);
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(1, Math.min(leftMs, FIRST_BACKOFF_MS + Math.random() * most)));
  });
}

const prefixes = new WeakMap<readonly string[], Map<string, Buffer>>();

/** What every call of a script on a room begins with: command, script, keys. */
function prefixOf(form: "evalsha" | "eval", script: Script, keys: readonly string[]): Buffer {
  let ofKeys = prefixes.get(keys);
  if (ofKeys === undefined) prefixes.set(keys, (ofKeys = new Map()));
  const name = form + script.sha;
  let prefix = ofKeys.get(name);
  if (prefix === undefined) {
    const start = new Arguments()
      .text(form)
      .text(form === "eval" ? script.source : script.sha)
      .number(keys.length);
    for (const key of keys) start.text(key);
    prefix = Buffer.from(start.bytes());
    // The script's text is long and rarely sent: only the usual form is kept.
    if (form === "evalsha") ofKeys.set(name, prefix);
  }
  return prefix;
}

/** A call as it goes over the wire. */
function wireOf(
  form: "evalsha" | "eval",
  script: Script,
  keys: readonly string[],
  args: Arguments | undefined,
): Buffer {
  const prefix = prefixOf(form, script, keys);
  const head = Buffer.from(`*${3 + keys.length + (args?.count ?? 0)}\r\n`);
  return Buffer.concat(args === undefined ? [head, prefix] : [head, prefix, args.bytes()]);
}
