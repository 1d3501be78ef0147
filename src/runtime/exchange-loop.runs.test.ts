// The exchanges of a worker with runs in its memory: what they say beside each other.
import { describe, expect, test } from "vitest";
import { defineJob } from "../core/define-job.ts";
import { type Bench, makeId, openLoop } from "./exchange-loop.fixture.ts";

describe("runs in memory", () => {
  /** A loop whose store answers what runs say when it is told to, and runs in its memory. */
  async function openRuns(tokens: readonly string[]): Promise<{
    readonly bench: Bench;
    readonly said: string[][];
    readonly answers: PromiseWithResolvers<void>[];
    readonly say: (run: number) => Promise<boolean>;
  }> {
    const said: string[][] = [];
    const answers: PromiseWithResolvers<void>[] = [];
    const bench = await openLoop({
      jobs: 0,
      meddle: async ({ advances }, pass) => {
        if (advances === undefined) return pass();
        said.push(advances.map(({ token }) => token));
        const answer = Promise.withResolvers<void>();
        answers.push(answer);
        await answer.promise;
        const advanced = advances.map(() => ({ accepted: true, claimed: [], nowMs: 0 }) as const);
        return { settled: [], claimed: [], lookAgainInMs: null, advanced };
      },
    });
    for (const token of tokens) {
      const job = { id: makeId("flow"), type: "flow", queue: "flow", input: "null", tags: [] };
      const times = { enqueuedAtMs: 0, dueAtMs: 0, startedAtMs: 0 };
      bench.runs.begin({ ...job, ...times, token, attempt: 1, crashes: 0 }, FLOW);
    }
    bench.loop.start();
    const say = async (run: number): Promise<boolean> => {
      const reply = await bench.owners[run]?.say({
        from: 0,
        entries: ["[]"],
        next: { kind: "waiting" },
      });
      return reply?.accepted === true;
    };
    return { bench, said, answers, say };
  }
  const FLOW = defineJob({ name: "flow", run: () => null });

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
