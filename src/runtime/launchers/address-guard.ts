// Keeps calls to other services from reaching the inside of a network: private addresses are refused unless named.
import { lookup as systemLookup } from "node:dns";
import { BlockList, type LookupFunction, isIP } from "node:net";
import { MillraceError } from "../../core/errors.ts";

/**
 * Addresses that are not public: the special-purpose registries of IANA (RFC 6890 and its updates), loopback, link-local
 * (cloud metadata services live there), private, shared, benchmarking, documentation, multicast and reserved ones.
 */
const SPECIAL: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.0.2.0", 24, "ipv4"],
  ["192.88.99.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["198.51.100.0", 24, "ipv4"],
  ["203.0.113.0", 24, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["::", 128, "ipv6"],
  ["::1", 128, "ipv6"],
  ["64:ff9b:1::", 48, "ipv6"],
  ["100::", 64, "ipv6"],
  ["2001::", 23, "ipv6"],
  ["2001:db8::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["fc00::", 7, "ipv6"],
  ["fe80::", 10, "ipv6"],
  ["ff00::", 8, "ipv6"],
];

const special = new BlockList();
for (const [network, prefix, family] of SPECIAL) special.addSubnet(network, prefix, family);

/** Whether an address is on the public internet. IPv4 in IPv6 form, NAT64 included, is judged as the IPv4 it is. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  if (family === 4) return !special.check(address, "ipv4");
  const inner = embeddedIpv4(address);
  if (inner !== undefined) return !special.check(inner, "ipv4");
  return !special.check(address, "ipv6");
}

/** The IPv4 address that `::ffff:a.b.c.d` (mapped) and `64:ff9b::a.b.c.d` (NAT64) stand for. */
function embeddedIpv4(address: string): string | undefined {
  // The URL parser writes every form of an IPv6 address in one.
  const canonical = new URL(`http://[${address.split("%")[0] ?? ""}]/`).hostname.slice(1, -1);
  const match = /^(?:::ffff|64:ff9b:):(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})$/.exec(canonical);
  if (match === null) return undefined;
  const high = Number.parseInt(match[1] ?? "0", 16);
  const low = Number.parseInt(match[2] ?? "0", 16);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

/**
 * Checks a host that is an address itself.
 *
 * @throws MillraceError `FORBIDDEN`
 */
export function checkHost(host: string, allowedHosts: ReadonlySet<string>): void {
  const bare = host.replace(/^\[|\]$/g, "");
  if (allowedHosts.has(host) || isIP(bare) === 0) return;
  if (!isPublicAddress(bare)) throw refusal(host, bare);
}

/**
 * A lookup that gives only addresses that may be reached. The connection is made to the very address that was checked,
 * so a name that changes its answer between the check and the call (DNS rebinding) gains nothing.
 */
export function guardedLookup(
  allowedHosts: ReadonlySet<string>,
  resolve: typeof systemLookup = systemLookup,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, "");
        return;
      }
      const usable = allowedHosts.has(hostname)
        ? addresses
        : addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = usable;
      if (first === undefined) callback(refusal(hostname, addresses[0]?.address ?? "nothing"), "");
      else if (options.all === true) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };
}

function refusal(host: string, address: string): MillraceError {
  return new MillraceError("FORBIDDEN", {
    message: `${host} is ${address}, which is not a public address; to call it all the same, name it in the launcher's allowedHosts`,
    details: { host, address },
  });
}
