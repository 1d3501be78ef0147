// Values: what is kept comes back as the text that it was, whatever it holds and up to the bounds.
import assert from "node:assert/strict";
import {
  MAX_NAME_LENGTH,
  MAX_PROGRESS_BYTES,
  MAX_TAGS,
  MAX_TAG_LENGTH,
  MAX_VALUE_BYTES,
} from "../../core/limits.ts";
import type { Topic } from "./harness.ts";
import { offerOf, outcomes } from "./worker.ts";

/** Texts that lose something in the hands of whoever parses them, cuts them, or takes them for a C string. */
const AWKWARD: readonly string[] = [
  '{"b":1.0,"a":1e3,"b":-0}',
  "12345678901234567890.123456789",
  "1e400",
  '"\\u0000\\ud800"',
  '"\u2028 😀 \u007f é \u00a0"',
  `"it's; DROP TABLE jobs; -- \\" \\\\ {tag} %s $1 \\r\\n"`,
  '{"__proto__":{"polluted":true},"constructor":null}',
  '""',
  "null",
  "[]",
  `${"[".repeat(500)}${"]".repeat(500)}`,
];

export const valuesTopic: Topic = {
  name: "values",
  cases: [
    {
      name: "come back as the text that was given, not as what it means",
      async run({ store, job, worker, record }) {
        await store.enqueue({ jobs: AWKWARD.map((input) => job({ input })) });
        const { claim, exchange, settle } = await worker();
        const claimed = await claim();
        assert.deepEqual(claimed.map(({ input }) => input).sort(), [...AWKWARD].sort());
        await store.report({
          reports: claimed.map(({ id, token, input }) => ({ id, token, progress: input })),
        });
        for (const one of claimed) {
          assert.equal((await record(one.id)).progress, one.input);
          await settle(outcomes.succeeded(one.input), one);
          const { input, result } = await record(one.id);
          assert.deepEqual({ input, result }, { input: one.input, result: one.input });
        }
        assert.deepEqual((await exchange([])).settled, []);
      },
    },
    {
      name: "come along with every claim: the terms that a job is tried by",
      async run({ store, job, worker, record }) {
        const terms = '{"retry":{"attempts":2,"backoff":[]},"timeout":1e3}';
        const [plain, own] = [job(), job({ terms })];
        await store.enqueue({ jobs: [plain, own] });
        const { claim, settle } = await worker();
        const termsById = async (): Promise<ReadonlyMap<string, string | undefined>> => {
          const claimed = await claim();
          for (const each of claimed) await settle(outcomes.retry(0), each);
          return new Map(claimed.map((each) => [each.id, each.terms]));
        };
        const expected = new Map([
          [plain.id, undefined],
          [own.id, terms],
        ]);
        assert.deepEqual(await termsById(), expected);
        assert.deepEqual(await termsById(), expected);
        const failing = await claim();
        for (const each of failing) await settle(outcomes.failed(), each);
        assert.equal((await record(own.id)).terms, terms);
        assert.equal((await record(plain.id)).terms, undefined);
        await store.retry({ ids: [plain.id, own.id] });
        assert.deepEqual(await termsById(), expected);
      },
    },
    {
      name: "may be as large as the bound: input, result and progress",
      isAboutOrder: true,
      async run({ store, job, worker, record }) {
        const large = JSON.stringify("x".repeat(MAX_VALUE_BYTES - 2));
        const wide = JSON.stringify("€".repeat(Math.floor((MAX_VALUE_BYTES - 2) / 3)));
        const progress = JSON.stringify("p".repeat(MAX_PROGRESS_BYTES - 2));
        await store.enqueue({ jobs: [job({ input: large }), job({ input: wide })] });
        const { claim, settle } = await worker();
        const claimed = await claim();
        for (const [index, input] of [large, wide].entries()) {
          const one = claimed[index];
          assert.ok(one !== undefined);
          assert.ok(one.input === input, "a claim gives the whole input");
          await store.report({ reports: [{ id: one.id, token: one.token, progress }] });
          await settle(outcomes.succeeded(input), one);
          const kept = await record(one.id);
          assert.ok(kept.input === input && kept.result === input && kept.progress === progress);
        }
      },
    },
    {
      name: "of many large jobs are claimed together",
      async run({ store, job, worker }) {
        const large = JSON.stringify("x".repeat(100_000));
        const jobs = Array.from({ length: 60 }, () => job({ input: large }));
        await store.enqueue({ jobs });
        const claimed = await (await worker()).claim();
        assert.equal(claimed.length, 60);
        assert.ok(claimed.every(({ input }) => input === large));
      },
    },
    {
      name: "names and keys may be as long and as odd as the bounds allow",
      needs: ["tags", "labels"],
      async run({ store, job, worker, record }) {
        const name = `a${"._:/-".repeat(MAX_NAME_LENGTH)}`.slice(0, MAX_NAME_LENGTH);
        const tags = Array.from({ length: MAX_TAGS }, (_, index) =>
          `${String(index).padStart(2, "0")} {}*?[]%_'"\\${"é".repeat(MAX_TAG_LENGTH)}`.slice(
            0,
            MAX_TAG_LENGTH,
          ),
        );
        const odd = job({
          type: name,
          queue: `q${name.slice(1)}`,
          tags,
          labels: tags,
          idempotency: { key: tags[0] ?? "", rememberMs: 1_000_000 },
        });
        await store.enqueue({ jobs: [odd] });
        const kept = await record(odd.id);
        assert.deepEqual({ tags: kept.tags, labels: kept.labels }, { tags, labels: tags });
        assert.equal(kept.idempotencyKey, tags[0]);
        for (const tag of tags.slice(0, 3)) {
          const { jobs } = await store.list({ filter: { tag }, limit: 5 });
          assert.equal(jobs.length, 1);
        }
        assert.deepEqual((await store.list({ filter: { tag: "%" }, limit: 5 })).jobs, []);
        const { claimOne } = await worker({ labels: tags });
        assert.equal((await claimOne({ offers: [offerOf(odd.queue, odd.type)] })).id, odd.id);
      },
    },
    {
      name: "errors keep their name, message, code and stack",
      async run({ enqueue, worker, record }) {
        const [id] = await enqueue({});
        const { claimOne, settle } = await worker();
        const error = {
          name: "Fehler",
          message: 'zeile 1\nzeile 2 "\u2028" 😀',
          code: "E_ODD",
          stack: `Fehler: x\n${"    at f (file.ts:1:1)\n".repeat(300)}`,
        };
        await settle(outcomes.failed(error), await claimOne());
        const kept = await record(id ?? "");
        assert.deepEqual(kept.error, error);
        assert.deepEqual(kept.history[0]?.error, error);
      },
    },
  ],
};
