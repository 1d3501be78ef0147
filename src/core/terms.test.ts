// What a job can say of how it is tried, and how that stands beside its type.
import { describe, expect, test } from "vitest";
import { defineJob } from "./define-job.ts";
import { type OwnTerms, underTerms, writeTerms } from "./terms.ts";

const type = defineJob({
  name: "type",
  retry: { attempts: 7, backoff: { kind: "fixed", delay: "3s" } },
  timeout: "1m",
});

const under = (terms: OwnTerms): typeof type => underTerms(type, writeTerms(terms));
const first = { attempt: 1, error: null };

describe("the terms of a job", () => {
  test("are none where its enqueue says nothing, and leave its type as it is", () => {
    expect(writeTerms({})).toBeUndefined();
    expect(underTerms(type, undefined)).toBe(type);
  });

  test("stand in place of its type's, field by field", () => {
    const fewer = under({ retry: { attempts: 2 } });
    expect([fewer.retry.attempts, fewer.retry.delayMs(first, 0)]).toEqual([2, 3_000]);
    expect(fewer.timeoutMs).toBe(60_000);
    const slower = under({ retry: { backoff: { kind: "fixed", delay: "9s" } }, timeout: 5_000 });
    expect([slower.retry.attempts, slower.retry.delayMs(first, 0)]).toEqual([7, 9_000]);
    expect(slower.timeoutMs).toBe(5_000);
  });

  test("are read as they are kept, by a version that took other ones too", () => {
    expect(underTerms(type, '{"timeout":0}').timeoutMs).toBe(0);
    expect(underTerms(type, '{"retry":{"attempts":2,"later":1}}').retry.attempts).toBe(2);
  });

  test("count a list of waits as its type would", () => {
    const { retry } = under({ retry: { backoff: ["1s", "2s"] } });
    expect(retry.attempts).toBe(3);
    expect(retry.delayMs({ attempt: 2, error: null }, 0)).toBe(2_000);
  });

  test.for([
    [{ retry: { attempts: 0 } }, "INVALID_ARGUMENT", "retry.attempts is 0"],
    [{ retry: { backoff: () => 1 } }, "INVALID_ARGUMENT", "belongs to the job type"],
    [{ retry: { backoff: "never" } }, "INVALID_ARGUMENT", "retry.backoff"],
    [{ retry: { backoff: Array.from({ length: 101 }, () => 1) } }, "INVALID_ARGUMENT", "at most"],
    [{ retry: 3 }, "INVALID_ARGUMENT", "retry is 3"],
    [{ timeout: 0 }, "INVALID_DURATION", "timeout is 0; expected at least 1 ms, or to be left out"],
    [{ timeout: "0.4ms" }, "INVALID_DURATION", "left out for its type's"],
    [{ timeout: "soon" }, "INVALID_DURATION", "timeout"],
  ] as const)("are refused before anything is kept: %j", ([terms, code, message]) => {
    expect(() => writeTerms(terms as unknown as OwnTerms)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) as string }),
    );
  });
});
