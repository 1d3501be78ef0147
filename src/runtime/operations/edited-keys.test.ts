// What a job counts under that comes back with another input: the keys of that one, not of the one it failed with.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type AnyJobType, defineJob } from "../../core/define-job.ts";
import { fatal } from "../../core/outcomes.ts";
import { openMillrace } from "../../millrace/index.ts";
import type { Millrace } from "../millrace.ts";

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function open(store: string, jobs: readonly AnyJobType[]): Promise<Millrace> {
  const mill = await openMillrace({ store, logger: false, jobs });
  endings.push(() => mill.close());
  return mill;
}

interface Bill {
  readonly customer?: string;
  readonly region: string;
}

const bill = defineJob({
  name: "bill",
  limits: [
    { name: "customer", key: "customer", concurrency: 1 },
    { name: "region", key: (given) => (given as Bill).region.toUpperCase(), concurrency: 9 },
  ],
  run: () => {
    throw fatal("no such account");
  },
});

async function failOne(mill: Millrace): Promise<string> {
  const { id } = await mill.enqueue(bill, { customer: "acme", region: "eu" });
  await mill.start();
  await mill.wait(id);
  await mill.stop();
  return id;
}

const input = { customer: "initech", region: "us" };
const keys = [
  { limit: "customer", key: "initech" },
  { limit: "region", key: "US" },
];

/** The keys that a job has under its limits, as `limits` counts it when it is asked for them. */
async function keysOf(mill: Millrace, id: string): Promise<unknown> {
  return (await mill.why(id))?.reasons.flatMap((reason) =>
    reason.kind === "limit" ? [{ limit: reason.limit, key: reason.key }] : [],
  );
}

async function closeLimits(mill: Millrace): Promise<void> {
  for (const name of ["customer", "region"]) {
    await mill.setLimit("bill", { name, concurrency: 0, by: "ada" });
  }
}

test("a dead letter that is replayed with another input counts under its keys", async () => {
  const mill = await open("memory:", [bill]);
  const id = await failOne(mill);
  await closeLimits(mill);
  await mill.order([id], { kind: "retry", input });
  expect(await keysOf(mill, id)).toEqual(keys);
});

test("dead letters that a selection finds do so too, and those without a new input keep their keys", async () => {
  const mill = await open("memory:", [bill]);
  const [first, second] = [await failOne(mill), await failOne(mill)];
  await closeLimits(mill);
  await mill.order([second], { kind: "retry" });
  const select = { type: "bill", states: ["failed"] } as const;
  await mill.orderMatching({ select, order: { kind: "retry", input } });
  expect(await keysOf(mill, first)).toEqual(keys);
  expect(await keysOf(mill, second)).toMatchObject([{ key: "acme" }, { key: "EU" }]);
});

test("another input is refused where nobody can read its keys, and nothing is changed", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millrace-keys-"));
  endings.push(() => rm(directory, { recursive: true }));
  const store = `sqlite:${join(directory, "jobs.db")}`;
  const id = await failOne(await open(store, [bill]));
  const elsewhere = await open(store, []);
  const order = { kind: "retry", input } as const;
  const refused = { code: "UNKNOWN_TYPE", message: expect.stringContaining("type bill") };
  await expect(elsewhere.order([id], order)).rejects.toMatchObject(refused);
  await expect(elsewhere.orderMatching({ select: {}, order })).rejects.toMatchObject(refused);
  expect(await elsewhere.orderMatching({ select: { type: "mail" }, order })).toMatchObject({
    changed: 0,
  });
  expect((await elsewhere.job(id))?.state).toBe("failed");
});

test("an input from which a key can't be read is refused as such", async () => {
  const mill = await open("memory:", [bill]);
  const id = await failOne(mill);
  const wrong = {
    code: "INVALID_INPUT",
    message: expect.stringMatching(/limit region.*type bill/u),
  };
  const order = { kind: "retry", input: { customer: "acme" } } as const;
  await expect(mill.order([id], order)).rejects.toMatchObject(wrong);
  await expect(mill.enqueue(bill, {})).rejects.toMatchObject(wrong);
});
