// A Redis server compares texts in Lua by the locale that it was started in: nothing may depend on it.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { installPackage } from "../servers/packages.ts";
import { startRedis } from "../servers/redis-server.ts";

/** One in which most bytes that are no letters count as nothing, as on many servers' machines. */
const LOCALE = "en_US.UTF-8";

/** Makes the locale; `null`: its sources are not on this machine, and can't be installed. */
async function makeLocale(): Promise<string | null> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-locale-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const make = (): boolean =>
    spawnSync("localedef", ["-i", "en_US", "-f", "UTF-8", join(directory, LOCALE)]).status === 0;
  if (make()) return directory;
  installPackage("locales");
  return make() ? directory : null;
}

test("lists and tells the states of jobs by their ids and times on a server of any locale", async ({
  skip,
}) => {
  const locales = await makeLocale();
  if (locales === null) skip("needs localedef and the sources of locales (Debian: locales)");
  const server = await startRedis({
    under: ["env", `LOCPATH=${locales}`, `LC_ALL=${LOCALE}`],
  });
  onTestFinished(() => server.stop());
  expect(await server.client.eval("return tostring('\\128' < '\\129')", 0)).toBe("false");
  const store = await openRedisStore({ url: server.url, namespace: "default" });
  onTestFinished(() => store.close());
  const makeId = createIdMaker({ now: Date.now, randomBytes });
  const jobOf = (delayMs: number) => ({
    id: makeId("mail"),
    type: "mail",
    queue: "mail",
    input: "null",
    ...(delayMs > 0 ? { delayMs } : {}),
  });
  const ready = Array.from({ length: 200 }, () => jobOf(0));
  const later = Array.from({ length: 50 }, () => jobOf(60_000));
  await store.enqueue({ jobs: [...ready, ...later] });
  const again = await store.enqueue({ jobs: later });
  expect(new Set(again.map(({ state }) => state))).toEqual(new Set(["scheduled"]));
  const listed: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      filter: {},
      limit: 7,
      ...(cursor === undefined ? {} : { cursor }),
    });
    listed.push(...page.jobs.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== undefined);
  const ids = [...ready, ...later].map(({ id }) => id);
  expect(listed).toEqual(ids.toSorted().toReversed());
}, 60_000);
