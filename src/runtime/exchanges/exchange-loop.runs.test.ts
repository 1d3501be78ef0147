// The exchanges of a worker with runs in its memory: what they say beside each other.
import { describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { ClaimedJob } from "../../core/store.ts";
import { type Bench, makeId, openLoop } from "./exchange-loop.fixture.ts";

function claimOf(type: string, token: string): ClaimedJob {
  const job = { id: makeId(type), type, queue: type, input: "null", tags: [] };
  const times = { enqueuedAtMs: 0, dueAtMs: 0, startedAtMs: 0 };
  return { ...job, ...times, token, attempt: 1, crashes: 0 };
}

describe("runs in memory", () => {
  /** A loop whose store answers what runs say when it is told to, and runs in its memory. */
  async function openRuns(tokens: readonly string[]): Promise<{
    readonly bench: Bench;
    readonly said: string[][];
    readonly answers: PromiseWithResolvers<void>[];
    readonly say: (run: number) => Promise<boolean>;
    /** So many steps of the first run end. */
    readonly end: (count: number) => void;
  }> {
    const said: string[][] = [];
    const answers: PromiseWithResolvers<void>[] = [];
    const bench = await openLoop({
      jobs: 0,
      meddle: async ({ advances, settlements }, pass) => {
        if (advances === undefined && settlements.length === 0) return pass();
        const steps = settlements.length === 0 ? [] : [`${settlements.length} steps`];
        said.push([...(advances ?? []).map(({ token }) => token), ...steps]);
        const answer = Promise.withResolvers<void>();
        answers.push(answer);
        await answer.promise;
        const advanced = advances?.map(() => ({ accepted: true, claimed: [], nowMs: 0 }) as const);
        const settled = settlements.map(() => ({ accepted: true, state: "succeeded" }) as const);
        const reply = { settled, claimed: [], lookAgainInMs: null };
        return advanced === undefined ? reply : { ...reply, advanced };
      },
    });
    const claims = tokens.map((token) => claimOf(FLOW.name, token));
    for (const claimed of claims) bench.runs.begin(claimed, FLOW);
    bench.loop.start();
    const end = (count: number): void => {
      for (let step = 0; step < count; step += 1) {
        const claimed = { ...claimOf("work", `step-${step}`), parent: claims[0]?.id ?? "" };
        const { id, token } = claimed;
        bench.runs.childEnded(claimed, SUCCEEDED, "worker-1");
        bench.loop.settle({ claimed, runMs: 0, settlement: { id, token, outcome: SUCCEEDED } });
      }
    };
    const say = async (run: number): Promise<boolean> => {
      const reply = await bench.owners[run]?.say({
        from: 0,
        entries: ["[]"],
        next: { kind: "waiting" },
      });
      return reply?.accepted === true;
    };
    return { bench, said, answers, say, end };
  }
  const FLOW = defineJob({ name: "flow", run: () => null });
  const SUCCEEDED = {
    kind: "succeeded",
    result: "null",
    retention: { ageMs: 0, count: 0 },
  } as const;

  test("say theirs while the store keeps what another said, in one exchange beside that", async () => {
    const { said, answers, say } = await openRuns(["a", "b", "c"]);
    const first = say(0);
    await expect.poll(() => said).toEqual([["a"]]);
    const second = say(1);
    await expect.poll(() => said).toEqual([["a"], ["b"]]);
    const third = say(2);
    await new Promise(setImmediate);
    expect(said).toHaveLength(2);
    answers[1]?.resolve();
    expect(await second).toBe(true);
    await expect.poll(() => said).toEqual([["a"], ["b"], ["c"]]);
    answers[0]?.resolve();
    answers[2]?.resolve();
    expect(await Promise.all([first, third])).toEqual([true, true]);
  });

  test("say theirs in two halves where many speak at once, so that either has something to wait for", async () => {
    const tokens = Array.from({ length: 40 }, (_, index) => `token-${index}`);
    const { said, answers, say } = await openRuns(tokens);
    const all = tokens.map((_, run) => say(run));
    await expect.poll(() => said).toEqual([tokens.slice(0, 20), tokens.slice(20)]);
    for (const answer of answers) answer.resolve();
    expect(await Promise.all(all)).toEqual(tokens.map(() => true));
  });

  test("have their steps settled in two halves, and the next ones beside what is under way", async () => {
    const { said, answers, end } = await openRuns(["a"]);
    end(40);
    await expect.poll(() => said).toEqual([["20 steps"], ["20 steps"]]);
    end(20);
    await new Promise(setImmediate);
    expect(said).toHaveLength(2);
    answers[0]?.resolve();
    await expect.poll(() => said).toEqual([["20 steps"], ["20 steps"], ["20 steps"]]);
    for (const answer of answers) answer.resolve();
  });

  test("have few steps that end settled when what is under way was answered", async () => {
    const { said, answers, end } = await openRuns(["a"]);
    end(1);
    await expect.poll(() => said).toEqual([["1 steps"]]);
    end(1);
    await new Promise(setImmediate);
    expect(said).toHaveLength(1);
    answers[0]?.resolve();
    await expect.poll(() => said).toEqual([["1 steps"], ["1 steps"]]);
    answers[1]?.resolve();
  });

  test("say with the ends of steps what they were told by then, and wait for no later end", async () => {
    const { said, answers, say, end } = await openRuns(["a"]);
    end(1);
    await expect.poll(() => said).toEqual([["1 steps"]]);
    const word = say(0);
    await new Promise(setImmediate);
    expect(said).toHaveLength(1);
    end(20);
    await expect.poll(() => said).toEqual([["1 steps"], ["20 steps"]]);
    answers[0]?.resolve();
    await expect.poll(() => said).toEqual([["1 steps"], ["20 steps"], ["a"]]);
    answers[2]?.resolve();
    expect(await word).toBe(true);
    answers[1]?.resolve();
  });

  test("say it again after a failure, once the store has answered for what was beside it", async () => {
    const { said, answers, say } = await openRuns(["a", "b", "c"]);
    const both = [say(0)];
    await expect.poll(() => said).toEqual([["a"]]);
    both.push(say(1));
    await expect.poll(() => said).toEqual([["a"], ["b"]]);
    answers[0]?.reject(new Error("the store is away"));
    await new Promise(setImmediate);
    expect(said).toHaveLength(2);
    answers[1]?.resolve();
    await expect.poll(() => said).toEqual([["a"], ["b"], ["a"]]);
    answers[2]?.resolve();
    expect(await Promise.all(both)).toEqual([true, true]);
  });
});
