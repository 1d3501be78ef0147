import { describe, expect, it } from "vitest";
import { suspectAfterDeath } from "./suspects.ts";

const free = { strikes: 0, company: null };

describe("a worker's death", () => {
  it("is charged to a job that was alone, which goes on without suspicion at first", () => {
    expect(suspectAfterDeath(free, 1)).toEqual({ isCharged: true, strikes: 1, company: null });
  });

  it("is charged to nobody in company, and the first one has no consequence", () => {
    expect(suspectAfterDeath(free, 100)).toEqual({ isCharged: false, strikes: 1, company: null });
  });

  it("makes suspects of those that died in company twice in a row, who then run in a tenth of it", () => {
    const once = suspectAfterDeath(free, 100);
    const twice = suspectAfterDeath(once, 100);
    expect(twice).toEqual({ isCharged: false, strikes: 2, company: 10 });
    expect(suspectAfterDeath(twice, 10)).toEqual({ isCharged: false, strikes: 3, company: 1 });
  });

  it("never leaves a suspect in the company that it died in", () => {
    for (const runningJobs of [2, 3, 9, 10, 11, 99, 1_000]) {
      const { company } = suspectAfterDeath({ strikes: 1, company: null }, runningJobs);
      expect(company).toBeLessThan(runningJobs);
      expect(company).toBeGreaterThanOrEqual(1);
    }
  });
});
