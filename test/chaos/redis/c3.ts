// C3: everything that the store can do, over a hundred queues of a Cluster.
import { setTimeout as sleep } from "node:timers/promises";
import { type Millrace, defineJob, fatal, openMillrace, retryAfter } from "millrace";
import type { RedisServer } from "../../servers/redis-server.ts";
import type { Script } from "../../../src/stores/redis/scripts/script.ts";
import { allScripts, hashesOf } from "../../servers/scripts.ts";
import { until } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { MortalCluster } from "./cluster.ts";
import { flowTypes, useFlows, useLocal } from "./flows.ts";

const QUEUES = 100;
/** Queues beside them for what plain jobs need no script for. */
const FLOWS = 5;
/** Looks for what comes by and by: half a minute. */
const MAX_LOOKS = 120;
const LOOK_MS = 250;

/**
 * What only the death of a process between two calls, or of a worker, brings about: how many jobs the worker had; runs
 * that were left behind, which of their steps were made, and of which ends they were told; what a move did not deliver. The suites bring
 * those about on a Cluster.
 */
const OF_DEATHS: ReadonlySet<string> = new Set(["first", "kept", "needed", "take", "undelivered"]);
/** Sweeps look at one place of keys after the other, and owners of runs at times for messages that were lost. */
const BY_AND_BY: ReadonlySet<string> = new Set(["unique-forget", "unheard"]);
/** What a Cluster never runs: several rooms' parts in one call. */
const OF_ONE_SERVER: ReadonlySet<string> = new Set(["act"]);

export const scenario: Scenario = {
  id: "C3",
  fault: "every script over 100 queues of a Cluster: none may leave its slot",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 20;
    const cluster = chaos.use(await MortalCluster.start([], 0));
    const types = Array.from({ length: QUEUES }, (_, number) => typeOf(number));
    const flows = Array.from({ length: FLOWS }, (_, number) => flowTypes(number));
    const mill = chaos.use(
      await openMillrace({
        store: `${cluster.url}?partitions=queue-7:3`,
        logger: false,
        jobs: [...types, ...flows.flatMap((each) => Object.values(each))],
        worker: { concurrency: 50, sweepInterval: "200ms" },
      }),
    );
    await mill.start();
    for (const each of flows) {
      await until(chaos, "the end of runs that nobody follows", await useLocal(mill, each));
    }
    const following = chaos.use(await mill.subscribe({}, () => {}));
    for (let round = 0; round < rounds; round += 1) {
      const using = flows.map(async (each) => useFlows(mill, each, round));
      await Promise.all([useEverything(mill, types, round), ...using]);
    }
    const isDone = async (): Promise<boolean> =>
      (await mill.queues()).every(({ counts }) => counts.ready + counts.running === 0);
    await until(chaos, "the end of all that can run", isDone);
    await readEverything(mill);
    const scripts = await allScripts();
    const missing = async (): Promise<readonly string[]> =>
      missingOf(await cluster.primaries(), scripts);
    const areToCome = async (): Promise<boolean> =>
      (await missing()).some((name) => BY_AND_BY.has(name));
    for (let looks = 0; looks < MAX_LOOKS && (await areToCome()); looks += 1) {
      await sleep(LOOK_MS, undefined, chaos);
    }
    await following[Symbol.asyncDispose]();
    await mill.close();
    const missed = await missing();

    const primaries = await cluster.primaries();
    const used = await Promise.all(primaries.map((node) => usesOf(node)));
    chaos.figure("queues", QUEUES);
    chaos.must("primaries that ran scripts", used.filter(({ calls }) => calls > QUEUES).length, {
      exactly: primaries.length,
    });
    const crossed = used.reduce((sum, { crossSlot }) => sum + crossSlot, 0);
    chaos.must("CROSSSLOT", crossed, { exactly: 0 });
    chaos.figure("scripts that ran", `${scripts.length - missed.length} of ${scripts.length}`);
    chaos.figure("did not", missed.join(", "));
    chaos.must("that should have", missed.filter(mustRun).length, { exactly: 0 });
  },
};

function typeOf(number: number) {
  return defineJob({
    name: `type-${number}`,
    queue: `queue-${number}`,
    retry: { attempts: 2, backoff: { kind: "fixed", delay: "10ms" } },
    retention: { succeeded: { count: 5 } },
    run: ({ input, job, log, progress }) => {
      log.info("begun");
      progress(0.5);
      if (input === "pushes back" && job.attempt === 1) {
        throw retryAfter("10ms", "busy", { pushBack: "queue" });
      }
      if (input === "fails") throw fatal("as it was told");
      if (input === "is tried again" && job.attempt === 1) throw new Error("once");
      return input;
    },
  });
}

type Types = readonly ReturnType<typeof typeOf>[];

async function useEverything(mill: Millrace, types: Types, round: number): Promise<void> {
  const useQueue = async (type: Types[number], number: number): Promise<void> => {
    const name = `schedule-${number}-${round}`;
    await Promise.all([
      mill.enqueueEntries([
        { type, input: "works" },
        { type, input: "pushes back" },
        { type, input: "is tried again", options: { tags: ["a", "b"], priority: 3 } },
        { type, input: "works", options: { expiresIn: "300ms", labels: ["nobody-has-it"] } },
      ]),
      mill.enqueue(type, "keyed", { idempotencyKey: `key-${number}-${round}` }),
    ]);
    const later = await mill.enqueue(type, "later", { delay: "1h" });
    const gone = await mill.enqueue(type, "gone", { delay: "1h" });
    const fails = await mill.enqueue(type, "fails");
    await mill.cancel([later.id], { reason: "not needed" });
    await mill.remove([gone.id]);
    await mill.wait(fails.id);
    // By a script each: one has made progress, the other only waits again.
    for (const { id } of [fails, later]) await mill.retry([id]);
    await mill.pause(type.queue, { by: "C3" });
    await mill.resume(type.queue);
    await mill.logs(fails.id);
    await mill.jobs({ queue: type.queue, tag: "a", limit: 5 });
    if (number % 10 === 0) {
      await mill.schedules.put({ type, name, every: "1h", input: "ticks" });
      await mill.schedules.run(name);
      await mill.schedules.remove(name);
    }
  };
  await Promise.all(types.map(useQueue));
}

async function readEverything(mill: Millrace): Promise<void> {
  await mill.jobs({ limit: 100 });
  await mill.workers();
  await mill.types();
  await mill.figures();
  await mill.describe();
}

async function usesOf(node: RedisServer): Promise<{ calls: number; crossSlot: number }> {
  const commands = await node.client.info("commandstats");
  const errors = await node.client.info("errorstats");
  return {
    calls: Number(/cmdstat_evalsha:calls=(\d+)/.exec(commands)?.[1] ?? 0),
    crossSlot: Number(/errorstat_CROSSSLOT:count=(\d+)/.exec(errors)?.[1] ?? 0),
  };
}

function mustRun(name: string): boolean {
  return !OF_DEATHS.has(name) && !OF_ONE_SERVER.has(name);
}

/** Names of scripts that no primary has run. */
async function missingOf(
  primaries: readonly RedisServer[],
  scripts: readonly Script[],
): Promise<readonly string[]> {
  const ran = await Promise.all(scripts.map(async (script) => isKnown(primaries, script)));
  return scripts.filter((_, index) => ran[index] !== true).map(({ name }) => name);
}

async function isKnown(primaries: readonly RedisServer[], script: Script): Promise<boolean> {
  const hashes = hashesOf(script);
  const found = await Promise.all(primaries.map((node) => node.client.script("EXISTS", ...hashes)));
  return found.some((answer) => (answer as number[]).includes(1));
}
