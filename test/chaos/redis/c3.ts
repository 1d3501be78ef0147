// C3: everything that the store can do, over a hundred queues of a Cluster.
import { type Millrace, defineJob, fatal, openMillrace } from "millrace";
import type { RedisServer } from "../../servers/redis-server.ts";
import type { Script } from "../../../src/stores/redis/scripts/script.ts";
import { allScripts } from "../../servers/scripts.ts";
import { until } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { MortalCluster } from "./cluster.ts";
import { flowTypes, useFlows } from "./flows.ts";

const QUEUES = 100;
/** Queues beside them for what plain jobs need no script for. */
const FLOWS = 5;

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
        worker: { concurrency: 50, sweepInterval: "1s" },
      }),
    );
    const following = chaos.use(await mill.subscribe({}, () => {}));
    await mill.start();
    for (let round = 0; round < rounds; round += 1) {
      const using = flows.map(async (each) => useFlows(mill, each, round));
      await Promise.all([useEverything(mill, types, round), ...using]);
    }
    const isDone = async (): Promise<boolean> =>
      (await mill.queues()).every(({ counts }) => counts.ready + counts.running === 0);
    await until(chaos, "the end of all that can run", isDone);
    await readEverything(mill);
    await following[Symbol.asyncDispose]();
    await mill.close();

    const primaries = await cluster.primaries();
    const used = await Promise.all(primaries.map((node) => usesOf(node)));
    chaos.figure("queues", QUEUES);
    chaos.must("primaries that ran scripts", used.filter(({ calls }) => calls > QUEUES).length, {
      exactly: primaries.length,
    });
    const crossed = used.reduce((sum, { crossSlot }) => sum + crossSlot, 0);
    chaos.must("CROSSSLOT", crossed, { exactly: 0 });
    const scripts = await allScripts();
    const ran = await Promise.all(scripts.map(async (script) => isKnown(primaries, script)));
    chaos.figure("scripts that ran", `${ran.filter(Boolean).length} of ${scripts.length}`);
    const missing = scripts.filter((_, index) => ran[index] !== true).map(({ name }) => name);
    if (missing.length > 0) chaos.figure("did not", missing.join(", "));
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
    await mill.retry([fails.id, later.id]);
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

async function isKnown(primaries: readonly RedisServer[], { sha }: Script): Promise<boolean> {
  const found = await Promise.all(primaries.map((node) => node.client.script("EXISTS", sha)));
  return found.some((answer) => (answer as number[])[0] === 1);
}
