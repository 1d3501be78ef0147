// Which addresses a call may reach.
import type { LookupAddress, LookupAllOptions } from "node:dns";
import { describe, expect, test } from "vitest";
import { checkHost, guardedLookup, isPublicAddress } from "./address-guard.ts";

describe("an address", () => {
  test.each([
    "1.1.1.1",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
  ])("%s is public", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each([
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "not an address",
  ])("%s is not", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

describe("a host that is an address", () => {
  test("is refused when it is not public, in any of its forms, and allowed by name", () => {
    // The URL parser turns every form of an IPv4 address into the usual one.
    for (const form of [
      "http://127.1/",
      "http://0x7f000001/",
      "http://2130706433/",
      "http://[::1]/",
    ]) {
      expect(() => checkHost(new URL(form).hostname, new Set())).toThrow(/not a public address/);
    }
    expect(() => checkHost("127.0.0.1", new Set(["127.0.0.1"]))).not.toThrow();
    expect(() => checkHost("example.com", new Set())).not.toThrow();
  });
});

const answering =
  (...addresses: readonly string[]) =>
  (
    _: string,
    __: LookupAllOptions,
    callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
  ): void => {
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  };

const find = async (
  resolve: ReturnType<typeof answering>,
  allowed: readonly string[] = [],
): Promise<unknown> =>
  new Promise((resolvePromise) => {
    guardedLookup(new Set(allowed), resolve as never)(
      "name.test",
      { all: true },
      (error, found) => {
        resolvePromise(error?.message ?? found);
      },
    );
  });

describe("a guarded lookup", () => {
  test("gives only public addresses, whatever else the name has", async () => {
    expect(await find(answering("127.0.0.1", "1.1.1.1"))).toEqual([
      { address: "1.1.1.1", family: 4 },
    ]);
  });

  test("refuses a name that has none, and says how to allow it", async () => {
    expect(await find(answering("10.0.0.1"))).toMatch(/allowedHosts/);
    expect(await find(answering("10.0.0.1"), ["name.test"])).toEqual([
      { address: "10.0.0.1", family: 4 },
    ]);
  });

  test("judges a name anew at each call: one that changes its answer (rebinding) gains nothing", async () => {
    const answers = ["1.1.1.1", "169.254.169.254", "::ffff:127.0.0.1"];
    const rebinding: ReturnType<typeof answering> = (...args) => {
      answering(answers.shift() ?? "")(...args);
    };
    expect(await find(rebinding)).toEqual([{ address: "1.1.1.1", family: 4 }]);
    expect(await find(rebinding)).toMatch(/169\.254\.169\.254, which is not a public address/);
    expect(await find(rebinding)).toMatch(/not a public address/);
  });
});
