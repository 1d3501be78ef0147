import { describe, expect, it } from "vitest";
import type { Advance, AdvanceReply } from "../../../core/run.ts";
import type { ExchangeReply, ExchangeRequest, NewJob, Settlement } from "../../../core/store.ts";
import {
  countSettlements,
  packEnqueue,
  packExchange,
  packRequest,
  unpackEnqueue,
  unpackExchange,
  unpackRequest,
} from "./wire.ts";

const jobs = ["a", "b"].map((id): NewJob => ({ id, type: "t", queue: "q", input: "{}" }));

describe("replies to an enqueue", () => {
  it("come out as they went in when all jobs are new", () => {
    const replies = [
      { id: "a", state: "ready", isNew: true },
      { id: "b", state: "scheduled", isNew: true },
    ] as const;
    expect(packEnqueue(replies)).toBe("10");
    expect(unpackEnqueue(packEnqueue(replies), jobs)).toEqual(replies);
  });

  it("come out as they went in when some are known, or known and gone", () => {
    const replies = [
      { id: "a", state: "ready", isNew: true },
      { id: "other", state: null, isNew: false },
    ] as const;
    expect(unpackEnqueue(packEnqueue(replies), jobs)).toEqual(replies);
  });
});

describe("an exchange", () => {
  const request = { worker: "w", settlements: [] } satisfies ExchangeRequest;

  it("comes out as it went in, with what runs say and without", () => {
    expect(unpackRequest(structuredClone(packRequest(request)))).toEqual(request);
    const said = { ...request, advances: words };
    expect(unpackRequest(structuredClone(packRequest(said)))).toEqual(said);
    expect(packRequest(said).advances?.weight).toBe(8);
  });
});

const retention = { ageMs: Number.POSITIVE_INFINITY, count: 0 };
const nothing = { entries: [], children: [], cancels: [], after: [] };
/** Words of runs that have little in common. */
const words: readonly Advance[] = [
  {
    ...nothing,
    id: "a",
    token: "t.1",
    from: 0,
    entries: ['["\ud800"]'],
    next: { kind: "running" },
  },
  {
    ...nothing,
    id: "b",
    token: "t.2",
    from: 1,
    entries: ["1", "2"],
    children: [
      { id: "b1", type: "t", queue: "q", input: "{}", token: "t.9" },
      { id: "b2", type: "u", queue: "q", input: "1", delayMs: 5, isAgain: true },
    ],
    cancels: ["c"],
    next: { kind: "waiting" },
  },
  {
    ...nothing,
    id: "d",
    token: "t.3",
    from: 2,
    after: ["e", "f"],
    next: { kind: "succeeded", result: '"done"', retention },
  },
  { ...nothing, id: "g", token: "t.4", from: 3, next: { kind: "parked", delayMs: null, facts: 2 } },
  {
    ...nothing,
    id: "h",
    token: "t.5",
    from: 4,
    children: [
      { id: "h1", type: "t", queue: "q", input: "2" },
      { id: "h2", type: "t", queue: "r", input: "3", token: "t.8" },
      { id: "h3", type: "t", queue: "q", input: "4", token: "t.7" },
    ],
    next: { kind: "succeeded", result: "null", retention: { ageMs: 1, count: 2 } },
  },
];

describe("the reply to an exchange", () => {
  const job = {
    id: "a",
    type: "t",
    queue: "q",
    input: "{}",
    attempt: 2,
    crashes: 1,
    enqueuedAtMs: 5,
    dueAtMs: 6,
    startedAtMs: 7,
  };
  const request: ExchangeRequest = {
    worker: "w",
    settlements: [],
    claim: { capacity: 9, offers: [], labels: [], tokenNonce: "nonce", firstToken: 41 },
  };
  const retention = {
    succeeded: { ageMs: 1, count: 2 },
    failed: { ageMs: Number.POSITIVE_INFINITY, count: 4 },
    cancelled: { ageMs: 5, count: 6 },
  };
  const reply: ExchangeReply = {
    settled: [
      { accepted: true, state: "succeeded" },
      { accepted: false, why: "stale" },
      { accepted: true, state: "scheduled" },
      { accepted: false, why: "gone" },
    ],
    claimed: [
      { ...job, token: "nonce.41", tags: [] },
      { ...job, id: "b", token: "nonce.42", tags: ["x"], retention, terms: "{}" },
    ],
    lookAgainInMs: 12,
  };

  it("comes out as it went in, tokens from the request and the place", () => {
    expect(unpackExchange(structuredClone(packExchange(reply)), request)).toEqual(reply);
  });

  it("comes out as it went in when nothing was asked for or found", () => {
    const nothing: ExchangeReply = { settled: [], claimed: [], lookAgainInMs: null };
    expect(unpackExchange(packExchange(nothing), { worker: "w", settlements: [] })).toEqual(
      nothing,
    );
  });

  const first = { ...job, attempt: 1, crashes: 0, tags: [] };
  it.each([
    ["nothing but input and times", {}],
    ["a type of its own", { type: "u" }],
    ["a queue of its own", { queue: "r" }],
    ["another attempt", { attempt: 2 }],
    ["a crash", { crashes: 1 }],
    ["a tag", { tags: ["x"] }],
    ["a retention", { retention }],
    ["terms", { terms: "{}" }],
    ["a parent", { parent: "p" }],
    ["a run to go on with", { resumes: true as const }],
  ])("comes out as it went in when a job after a plain one has %s", (_, own) => {
    const claimed = [
      { ...first, token: "nonce.41" },
      { ...first, id: "b", input: "1", enqueuedAtMs: 3, dueAtMs: 4, token: "nonce.42", ...own },
    ];
    const plain: ExchangeReply = { settled: [], claimed, lookAgainInMs: 1 };
    expect(unpackExchange(structuredClone(packExchange(plain)), request)).toEqual(plain);
  });
});

describe("the answers to what runs say", () => {
  it("come out as they went in, with the children that owners shall run", () => {
    const advanced: readonly AdvanceReply[] = [
      { accepted: false, why: "stale" },
      { accepted: true, claimed: ["b1"], nowMs: 7 },
      { accepted: false, why: "gone" },
      { accepted: false, why: "refused" },
      { accepted: true, claimed: ["h2", "h3"], nowMs: 7 },
    ];
    const reply: ExchangeReply = { settled: [], claimed: [], lookAgainInMs: null, advanced };
    const packed = structuredClone(packExchange(reply, words));
    expect(unpackExchange(packed, { worker: "w", settlements: [], advances: words })).toEqual(
      reply,
    );
  });
});

describe("the settlements of an exchange", () => {
  const retention = { ageMs: Number.POSITIVE_INFINITY, count: 2 };
  const plain: Settlement = {
    id: "a",
    token: "n.1",
    outcome: { kind: "succeeded", result: "1", retention },
  };
  const error = { name: "Error", message: "no" };

  it.each<[string, Partial<Settlement>]>([
    ["another result", { outcome: { kind: "succeeded", result: "null", retention } }],
    [
      "another retention",
      { outcome: { kind: "succeeded", result: "2", retention: { ageMs: 0, count: 2 } } },
    ],
    ["another outcome", { outcome: { kind: "failed", error, retention } }],
    ["progress", { progress: "0.5" }],
    ["log lines", { logs: [{ atMs: 1, level: "info", message: "here" }] }],
  ])("come out as they went in, and are counted, when one after a plain one has %s", (_, own) => {
    const settlements = [plain, { ...plain, id: "b", token: "n.2", ...own }];
    for (const said of [settlements, settlements.toReversed(), []]) {
      const request: ExchangeRequest = { worker: "w", settlements: said };
      const packed = structuredClone(packRequest(request));
      expect(unpackRequest(packed)).toEqual(request);
      expect(countSettlements(packed)).toBe(said.length);
    }
  });
});
