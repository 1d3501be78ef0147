// What runs in a worker's memory hear of their children, whichever of the two was there first.
import { beforeEach, describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { ClaimedJob, SettleOutcome } from "../../core/store.ts";
import { HeldRuns } from "./held-runs.ts";
import { noQuickSteps } from "../quick-steps/quick-steps.fixture.ts";
import { silentLogger } from "../logging/logger.ts";

const RUN = "01a203b9-6963-7004-b22e-579769efcbb8";
const CHILD = "01a203b9-6982-700d-8868-ce719934294d";
const type = defineJob({ name: "add", run: () => null });
const succeeded: SettleOutcome = {
  kind: "succeeded",
  result: "4",
  retention: { ageMs: 0, count: 0 },
};

function claimOf(id: string, parent?: string): ClaimedJob {
  return {
    id,
    type: type.name,
    queue: type.queue,
    input: "3",
    token: `of-${id}`,
    attempt: 1,
    crashes: 0,
    enqueuedAtMs: 0,
    dueAtMs: 0,
    startedAtMs: 0,
    tags: [],
    ...(parent === undefined ? {} : { parent }),
  };
}

const child = claimOf(CHILD, RUN);
let heard: string[];
let left: string[];
let resumed: boolean[];
let runs: HeldRuns;

beforeEach(() => {
  heard = [];
  left = [];
  resumed = [];
  runs = new HeldRuns({
    driver: {
      begin: ({ resumes }) => {
        resumed.push(resumes === true);
        return {
          told: ({ key }) => heard.push(`told ${key}`),
          childEnded: (id, { state, result }) => heard.push(`${id} ${state} ${String(result)}`),
          cancel: () => {},
          leave: (how) => left.push(how),
          abandon: () => {},
          idleSinceMs: null,
        };
      },
    },
    logger: silentLogger,
    quick: noQuickSteps(),
    reporter: { log: () => {}, progress: () => {}, take: () => ({}) },
    workerId: () => "worker",
    wake: () => {},
    onEnded: () => {},
    giveBack: () => {},
    onLeft: () => {},
  });
});

describe("a run", () => {
  test("hears of a child that ended beside it at once, and not again when the store has it", () => {
    runs.begin(claimOf(RUN), type);
    runs.childEnded(child, succeeded, "worker");
    runs.childSettled(child, succeeded, true);
    expect(heard).toEqual([`${CHILD} succeeded 4`]);
  });

  test("that was taken up after its child had ended here hears of it when the store has it", () => {
    runs.childEnded(child, succeeded, "worker");
    runs.begin(claimOf(RUN), type);
    expect(heard).toEqual([]);
    runs.childSettled(child, succeeded, true);
    expect(heard).toEqual([`${CHILD} succeeded 4`]);
  });

  test("hears nothing of a try after which the child goes on, or that the store refused", () => {
    runs.begin(claimOf(RUN), type);
    runs.childSettled(child, { kind: "release" }, true);
    runs.childSettled(child, succeeded, false);
    expect(heard).toEqual([]);
  });

  test("leaves the memory where the store refuses the end of which it was told", () => {
    runs.begin(claimOf(RUN), type);
    runs.childEnded(child, succeeded, "worker");
    runs.childSettled(child, succeeded, false);
    expect(left).toEqual(["now"]);
  });

  test("that was told something before the answer with its claim came reads its record first", () => {
    const fact = { key: CHILD, kind: "signal", body: "{}" } as const;
    runs.news([{ run: RUN, fact }]);
    runs.begin(claimOf(RUN), type);
    runs.news([{ run: RUN, fact }]);
    runs.begin(claimOf(CHILD), type);
    expect(resumed).toEqual([true, false]);
    expect(heard).toEqual([`told ${CHILD}`]);
  });
});

describe("room for runs", () => {
  test.each([
    ["as many as there are slots, though jobs have them all", 0, 0, 10],
    ["no more than that while no slot is free", 10, 0, 0],
    ["as many more as slots are free", 10, 4, 4],
    ["twice the slots at most", 18, 4, 2],
    ["none beyond that", 20, 4, 0],
  ])("is %s", (_, held, free, room) => {
    for (let index = 0; index < held; index += 1) runs.begin(claimOf(`${RUN}-${index}`), type);
    expect(runs.room(10, free, 0)).toEqual({ room, isHeldBack: true });
  });
});
