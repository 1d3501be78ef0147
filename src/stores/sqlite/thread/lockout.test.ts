import { expect, it } from "vitest";
import { Lockout } from "./lockout.ts";

it("leases last longer by the time without the lock, until all have had the time to renew", () => {
  const lockout = new Lockout();
  expect(lockout.end(5_000)).toBe(0);
  lockout.begin(6_000);
  lockout.begin(7_000);
  expect(lockout.end(10_000)).toBe(4_000);
  expect(lockout.end(10_999)).toBe(4_000);
  expect(lockout.end(11_000)).toBe(0);
});
