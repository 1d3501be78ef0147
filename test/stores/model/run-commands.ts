// Random commands about workflow runs: advanced by the right and the wrong word, signalled, and read.
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { Advance, AdvanceOutcome, ChildJob } from "../../../src/core/run.ts";
import type { ClaimedJob, NewJob, Settlement } from "../../../src/core/store.ts";
import { advanceModel, applyClaim, compare, signalModel } from "../../../src/testing/index.ts";
import { command, minutes, pick, terms } from "./command.ts";
import { LABELS, QUEUES, type Side, TAGS, TYPES } from "./side.ts";

const keep = { ageMs: 3_600_000, count: 1_000 };
const next: fc.Arbitrary<AdvanceOutcome> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom({ kind: "running" }, { kind: "waiting" }) },
  fc.record({
    kind: fc.constant("parked" as const),
    delayMs: fc.option(minutes),
    facts: fc.nat(2),
  }),
  fc.record({
    kind: fc.constant("succeeded" as const),
    result: fc.constant('"done"'),
    retention: fc.constantFrom(keep, { ageMs: 0, count: 1_000 }),
  }),
  fc.constant({
    kind: "failed" as const,
    error: { name: "Error", message: "it failed" },
    retention: keep,
  }),
  fc.constant({ kind: "release" as const }),
);

const child = fc.record(
  {
    type: fc.constantFrom(...TYPES),
    queue: fc.constantFrom(...QUEUES),
    input: fc.constantFrom("1", '{"n":2.0}'),
    tags: fc.subarray([...TAGS]),
    terms,
    delayMs: minutes,
    isMine: fc.boolean(),
    isBegun: fc.boolean(),
  },
  { requiredKeys: ["type", "queue", "input", "isMine", "isBegun"] },
);

/** Without it too few claims would stand for advances to be accepted. */
const begin = command(
  "begin runs",
  fc.record({ by: pick, jobs: fc.array(child, { maxLength: 2 }) }),
  async (side, { by, jobs: drawn }) => {
    const jobs = drawn.map((job) => side.identify(withoutMark(job)));
    side.model.enqueue(jobs, await side.now());
    await side.store.enqueue({ jobs });
    // Takes the store's times over.
    await compare(side.store, side.model, await side.now());
    const offers = TYPES.flatMap((type) => QUEUES.map((queue) => ({ queue, type, capacity: 10 })));
    const worker = side.pickWorker(by);
    const request = side.claimRequest({ capacity: 10, labels: [...LABELS], offers });
    const nowMs = await side.now();
    const reply = await side.store.exchange({ worker, settlements: [], claim: request });
    applyClaim(side.model, { worker, request, nowMs }, reply);
    side.claims.push(...reply.claimed);
  },
);

const rarely = fc.nat(7).map((drawn) => drawn === 0);

const advance = command(
  "advance a run",
  fc.record({
    which: pick,
    isLatest: rarely.map((is) => !is),
    isLate: rarely,
    entries: fc.array(fc.constantFrom('"a"', '{"b":1}'), { maxLength: 3 }),
    children: fc.array(child, { maxLength: 3 }),
    cancels: fc.array(pick, { maxLength: 2 }),
    settles: fc.option(fc.record({ which: pick, isForged: fc.boolean() }), { freq: 3 }),
    next,
  }),
  async (side, drawn) => {
    const claimed = side.pickClaim(drawn.which, drawn.isLatest);
    if (claimed === undefined) return;
    const worker = side.model.jobs.get(claimed.id)?.record.worker ?? "w1";
    const settlement =
      drawn.settles === null ? undefined : settlementOf(side, claimed.id, worker, drawn.settles);
    const kept = side.model.jobs.get(claimed.id)?.record.entries ?? 0;
    const run: Advance = {
      id: claimed.id,
      token: claimed.token,
      from: kept - (drawn.isLate ? 1 : 0) < 0 ? 1 : kept - (drawn.isLate ? 1 : 0),
      entries: drawn.entries,
      children: drawn.children.map((each) => childOf(side, each)),
      cancels: side.pickIds(drawn.cancels),
      ...(settlement === undefined ? {} : { after: [settlement.id] }),
      next: drawn.next,
    };
    await carryOut(side, worker, run, settlement === undefined ? [] : [settlement]);
  },
);

/** Another job of the same worker that ends in the same call. */
function settlementOf(
  side: Side,
  run: string,
  worker: string,
  drawn: { readonly which: number; readonly isForged: boolean },
): Settlement | undefined {
  const claimed = side.pickClaim(drawn.which, true);
  if (claimed === undefined) return undefined;
  if (claimed.id === run) return undefined;
  if (side.model.jobs.get(claimed.id)?.record.worker !== worker) return undefined;
  const token = drawn.isForged ? `${claimed.token}.forged` : claimed.token;
  return { id: claimed.id, token, outcome: { kind: "succeeded", result: "1", retention: keep } };
}

/** Whether a child would be run by its owner, or is already, is no part of a job. */
function withoutMark(
  drawn: typeof child extends fc.Arbitrary<infer Drawn> ? Drawn : never,
): Omit<NewJob, "id"> {
  const job: Partial<typeof drawn> = { ...drawn };
  delete job.isMine;
  delete job.isBegun;
  return job as Omit<NewJob, "id">;
}

let handedOver = 0;

function childOf(
  side: Side,
  drawn: typeof child extends fc.Arbitrary<infer Drawn> ? Drawn : never,
): ChildJob {
  const made = side.identify(withoutMark(drawn));
  if (!drawn.isMine) return made;
  handedOver += 1;
  const token = `handed-over.${handedOver}`;
  return drawn.isBegun ? { ...made, token, isBegun: true } : { ...made, token };
}

async function carryOut(
  side: Side,
  worker: string,
  run: Advance,
  settlements: readonly Settlement[],
): Promise<void> {
  const nowMs = await side.now();
  const settled = side.model.settle(settlements, nowMs);
  const reply = await side.store.exchange({ worker, settlements, advances: [run] });
  assert.deepEqual(reply.settled, settled);
  const [answer] = reply.advanced ?? [];
  assert.ok(answer !== undefined);
  const claimed = answer.accepted ? answer.claimed : [];
  const refused = new Set(
    settlements.filter((_, at) => settled[at]?.accepted !== true).map(({ id }) => id),
  );
  const expected = advanceModel(side.model, worker, run, { refused, claimed, nowMs });
  assert.deepEqual(
    { ...answer, nowMs: 0 },
    { ...expected, nowMs: 0 },
    "a store answers an advance as the model does",
  );
  for (const child of run.children ?? []) {
    if (claimed.includes(child.id)) side.claims.push(asClaimed(child, nowMs));
  }
}

function asClaimed(
  { id, type, queue, input, token = "", tags = [] }: ChildJob,
  nowMs: number,
): ClaimedJob {
  const times = { enqueuedAtMs: nowMs, dueAtMs: nowMs, startedAtMs: nowMs };
  return { id, type, queue, input, token, tags, attempt: 1, crashes: 0, ...times };
}

const signal = command(
  "signal",
  fc.record({ which: pick, name: fc.constantFrom("go", "stop"), isAgain: fc.boolean() }),
  async (side, { which, name, isAgain }) => {
    const [run] = side.pickIds([which]);
    if (run === undefined) return;
    const { id } = side.identify({ type: "t1", queue: "q1", input: "1" });
    const one = { run, id, name, payload: '{"n":1}' };
    const signals = isAgain ? [one, one] : [one];
    const expected = signalModel(side.model, signals, await side.now());
    assert.deepEqual(await side.store.signal({ signals }), expected);
  },
);

/** Advancing comes most often; a store without workflows is spared them. */
export const runCommands: readonly ReturnType<typeof command>[] = [
  begin,
  begin,
  advance,
  advance,
  advance,
  advance,
  signal,
].map((each) =>
  each.map((made) => ({
    ...made,
    toString: () => made.toString(),
    check: () => true,
    run: async (model, side) => {
      if (side.store.capabilities.has("workflows")) await made.run(model, side);
    },
  })),
);
