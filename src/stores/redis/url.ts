// Reads a Redis store's URL.
import { MillraceError } from "../../core/errors.ts";

/** A server's address. */
/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a store is and how to get in. */
export interface RedisLocation {
  readonly form: "single" | "cluster" | "sentinel";
  readonly addresses: readonly Address[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly isEncrypted: boolean;
  readonly database: number;
  /** Sentinel only: the name of the primary that the sentinels watch. */
  readonly primary: string | undefined;
  /** Sentinel only: password of the sentinels themselves, `?sentinelPassword=`. */
  readonly sentinelPassword: string | undefined;
  /** `?partitions=mail:4,*:2`: into how many partitions queues are cut; `*` stands for every other queue. */
  readonly partitions: Readonly<Record<string, number>>;
  /** `?replicas=2`: replicas that must have a write, for durability `replicated`. */
  readonly replicas: number | undefined;
}

const FORMS = `redis://[user:password@]host:port[/database]
rediss://... (TLS)
redis+cluster://[user:password@]host:port,host:port,...
redis+sentinel://[user:password@]host:port,host:port,.../primary-name[?sentinelPassword=...]
Each may end in ?partitions=QUEUE:COUNT,*:COUNT and &replicas=COUNT`;

const URL_FORM =
  /^(?<scheme>rediss?)(?:\+(?<form>cluster|sentinel))?:\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/?@]*)(?:\/(?<path>[^?]*))?(?:\?(?<query>.*))?$/;
const DEFAULT_PORTS = { single: 6379, cluster: 6379, sentinel: 26_379 } as const;
/** Databases that a server may have; more is a mistake. */
const MAX_DATABASE = 1_023;

/**
 * Reads a URL.
 *
 * @throws MillraceError `INVALID_CONFIG`
 */
export function readRedisUrl(url: string): RedisLocation {
  const groups = URL_FORM.exec(url)?.groups;
  if (groups === undefined) throw wrong("the store URL has none of the forms that are known");
  const form = groups["form"] === undefined ? "single" : (groups["form"] as "cluster" | "sentinel");
  const addresses = (groups["hosts"] === "" ? "localhost" : (groups["hosts"] ?? ""))
    .split(",")
    .map((text) => readAddress(text, DEFAULT_PORTS[form]));
  if (form === "single" && addresses.length > 1) {
    throw wrong("redis:// names one server; redis+cluster:// and redis+sentinel:// take several");
  }
  const path = (groups["path"] ?? "").split("/").map(decodeURIComponent);
  const primary = form === "sentinel" ? path.shift() : undefined;
  if (form === "sentinel" && (primary === undefined || primary === "")) {
    throw wrong("a Sentinel URL ends in the name of the primary, /mymaster for example");
  }
  const database = readDatabase(path[0] ?? "");
  if (form === "cluster" && database !== 0) throw wrong("a Cluster has database 0 only");
  const query = readQuery(groups["query"] ?? "");
  const replicas = query.get("replicas");
  return {
    form,
    addresses,
    username: textOf(groups["user"]),
    password: textOf(groups["password"]),
    isEncrypted: groups["scheme"] === "rediss",
    database,
    primary,
    sentinelPassword: query.get("sentinelPassword"),
    partitions: readPartitions(query.get("partitions") ?? ""),
    replicas: replicas === undefined ? undefined : readCount(replicas, "replicas"),
  };
}

const PARAMETERS: ReadonlySet<string> = new Set(["sentinelPassword", "partitions", "replicas"]);

function readQuery(text: string): ReadonlyMap<string, string> {
  const query = new Map(new URLSearchParams(text));
  for (const name of query.keys()) {
    if (!PARAMETERS.has(name)) {
      throw wrong(`the store URL has a parameter ${JSON.stringify(name)} that means nothing here`);
    }
  }
  return query;
}

function readPartitions(text: string): Readonly<Record<string, number>> {
  const partitions: Record<string, number> = {};
  for (const part of text.split(",").filter((each) => each !== "")) {
    const colon = part.lastIndexOf(":");
    if (colon < 1) throw wrong(`${JSON.stringify(part)} in partitions is not QUEUE:COUNT`);
    partitions[part.slice(0, colon)] = readCount(part.slice(colon + 1), "partitions");
  }
  return partitions;
}

function readCount(text: string, what: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) {
    throw wrong(`${JSON.stringify(text)} in ${what} is not a number from 1`);
  }
  return Number(text);
}

/** A location as it may be shown: without credentials. */
export function describeLocation(location: RedisLocation): string {
  const scheme = location.isEncrypted ? "rediss" : "redis";
  const form = location.form === "single" ? "" : `+${location.form}`;
  const hosts = location.addresses.map(({ host, port }) => `${host}:${port}`).join(",");
  const path = [location.primary, location.database === 0 ? undefined : String(location.database)]
    .filter((part) => part !== undefined)
    .map((part) => `/${part}`)
    .join("");
  return `${scheme}${form}://${hosts}${path}`;
}

function readAddress(text: string, defaultPort: number): Address {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]]+))(?::(?<port>\d{1,5}))?$/.exec(
    text,
  );
  const host = match?.groups?.["v6"] ?? match?.groups?.["host"];
  const port = match?.groups?.["port"] === undefined ? defaultPort : Number(match.groups["port"]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw wrong(`${JSON.stringify(text)} is not host:port`);
  }
  return { host, port };
}

function readDatabase(text: string): number {
  if (text === "") return 0;
  const database = Number(text);
  if (!Number.isInteger(database) || database < 0 || database > MAX_DATABASE) {
    throw wrong(`${JSON.stringify(text)} is not the number of a database`);
  }
  return database;
}

function textOf(part: string | undefined): string | undefined {
  return part === undefined || part === "" ? undefined : decodeURIComponent(part);
}

/** The URL itself is not repeated: it may hold a password. */
function wrong(reason: string): MillraceError {
  return new MillraceError("INVALID_CONFIG", { message: `${reason}. Known forms:\n${FORMS}` });
}
