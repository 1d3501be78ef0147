import { describe, expect, it } from "vitest";
import { cutGroup, type Pending } from "./group.ts";
import type { Call } from "./messages.ts";

function pending(no: number, call: Pick<Call, "method" | "request">): Pending {
  return { call: { no, ...call }, deadlineMs: 0 };
}

function bulk(no: number, jobs: number): Pending {
  return pending(no, {
    method: "enqueue",
    request: { jobs: Array.from({ length: jobs }) } as never,
  });
}

const numbers = (group: readonly Pending[]): readonly number[] => group.map(({ call }) => call.no);

describe("a group", () => {
  it("takes all that waits when it is little, in its order", () => {
    const waiting = [bulk(1, 1), pending(2, { method: "retry", request: { ids: [] } }), bulk(3, 9)];
    expect(numbers(cutGroup(waiting))).toEqual([1, 2, 3]);
    expect(waiting).toEqual([]);
  });

  it("leaves for the next transaction what would make it long", () => {
    const waiting = Array.from({ length: 7 }, (_, index) => bulk(index, 1_000));
    expect(numbers(cutGroup(waiting))).toEqual([0, 1, 2, 3, 4]);
    expect(numbers(cutGroup(waiting))).toEqual([5, 6]);
  });

  it("takes a call that is too much for any group alone", () => {
    const sweep = pending(1, { method: "sweep", request: { limit: 1_000_000 } });
    const waiting = [sweep, bulk(2, 1)];
    expect(numbers(cutGroup(waiting))).toEqual([1]);
  });

  it("counts what an exchange may claim", () => {
    const claim = { capacity: 1_000, offers: [], labels: [], tokenNonce: "n", firstToken: 1 };
    const request = { worker: "w", settlements: [], claim };
    const waiting = Array.from({ length: 6 }, (_, index) =>
      pending(index, { method: "exchange", request }),
    );
    expect(numbers(cutGroup(waiting))).toEqual([0, 1, 2, 3, 4]);
  });
});
