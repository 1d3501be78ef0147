// Programs of two versions on one store: of one layout they work together, of another they are refused.
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineJob, openMillrace } from "millrace";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { LAYOUT_VERSION } from "../../src/stores/redis/layout.ts";
import { openLink } from "../../src/stores/redis/link/link.ts";
import { checkLayout } from "../../src/stores/redis/queues.ts";
import { readRedisUrl } from "../../src/stores/redis/url.ts";
import { createTestClock } from "../../src/testing/index.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

const JOBS = 200;
let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** What a program of a version does first that has another layout. */
async function openAsVersion(version: number, namespace: string): Promise<void> {
  const link = await openLink({
    location: readRedisUrl(server.url),
    replicas: 0,
    deadlineMs: 10_000,
    connectionName: "other-version",
    clock: undefined,
  });
  try {
    await checkLayout(link, namespace, version);
  } finally {
    link.close();
  }
}

test.each([
  ["the previous", LAYOUT_VERSION - 1],
  ["the next", LAYOUT_VERSION + 1],
])(
  "beside a program of %s layout this one is refused, and that one beside this",
  async (name, other) => {
    const theirs = `theirs-${name.split(" ")[1]}`;
    await openAsVersion(other, theirs);
    await expect(openRedisStore({ url: server.url, namespace: theirs })).rejects.toMatchObject({
      code: "STORE_VERSION",
      message: expect.stringContaining(`layout ${other}; this version`) as string,
      details: { found: other, version: LAYOUT_VERSION },
    });
    const ours = `ours-${name.split(" ")[1]}`;
    const store = await openRedisStore({ url: server.url, namespace: ours });
    await expect(openAsVersion(other, ours)).rejects.toMatchObject({ code: "STORE_VERSION" });
    await store.close();
  },
);

test("programs with other scripts and the same layout work on one queue", async () => {
  const ran = new Map<string, number>();
  const typeOf = (version: string) =>
    defineJob({
      name: "shared",
      retry: { attempts: 3, backoff: { kind: "fixed", delay: "10ms" } },
      run: ({ input, job }) => {
        ran.set(version, (ran.get(version) ?? 0) + 1);
        // The next try may be the other version's.
        if (job.attempt === 1) throw new Error("once");
        return input;
      },
    });
  // A clock of its own makes every script of a store another one, as a release that changes them does.
  const clock = createTestClock();
  clock.advance(1);
  const namespace = "scripts";
  const store = await openRedisStore({ url: server.url, namespace, clock });
  const worker = { concurrency: 5, pollInterval: "200ms" } as const;
  const [before, after] = [typeOf("before"), typeOf("after")];
  {
    await using old = await openMillrace({
      store: server.url,
      namespace,
      jobs: [before],
      worker,
      logger: false,
    });
    await using next = await openMillrace({ store, jobs: [after], worker, logger: false });
    await Promise.all([old.start(), next.start()]);
    const receipts = await Promise.all(
      Array.from({ length: JOBS }, (_, number) =>
        number % 2 === 0 ? old.enqueue(before, number) : next.enqueue(after, number),
      ),
    );
    const results = await Promise.all(receipts.map((receipt) => receipt.result()));
    expect(results).toEqual(Array.from({ length: JOBS }, (_, number) => number));
    expect([...ran.keys()].sort()).toEqual(["after", "before"]);
    expect([...ran.values()].reduce((sum, count) => sum + count, 0)).toBe(2 * JOBS);
  }
  await store.close();
});
