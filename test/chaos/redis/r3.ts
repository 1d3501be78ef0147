// R3: a primary is cut off from its replica and written to all the same; then the replica is promoted.
import { setTimeout as sleep } from "node:timers/promises";
import type { Durability } from "millrace";
import { Place, until } from "../harness/place.ts";
import type { Chaos, Scenario } from "../harness/scenario.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";
import { startLoad } from "./load.ts";
import { MortalServer } from "./server.ts";
import { untilDone } from "./verdict.ts";

/** Promises may still come for what the replica had before the cut. */
const UNDER_WAY_MS = 200;

export const scenario: Scenario = {
  id: "R3",
  fault: "a primary cut off from its replica, written to, then killed, and the replica promoted",
  async run(chaos) {
    const cutMs = chaos.isShort ? 1_500 : 6_000;
    const kept = await failOver(chaos, cutMs, "replicated");
    chaos.must("acknowledged", kept.acknowledged, { atLeast: 1 });
    chaos.must("acknowledged while cut off", kept.whileCutOff, { exactly: 0 });
    chaos.must("acknowledged after the promotion", kept.after, { atLeast: 1 });
    chaos.must("lost", kept.lost, { exactly: 0 });
    chaos.figure("refused", kept.refused);
    if (chaos.isShort) return;
    // That the harness would see a loss: the same without waiting for replicas.
    const risked = await failOver(chaos, cutMs, undefined);
    chaos.figure("without it: acknowledged while cut off", risked.whileCutOff);
    chaos.must("without it: lost", risked.lost, { atLeast: 1 });
  },
};

interface Outcome {
  readonly acknowledged: number;
  readonly whileCutOff: number;
  readonly after: number;
  readonly lost: number;
  readonly refused: number;
}

async function failOver(
  chaos: Chaos,
  cutMs: number,
  durability: Durability | undefined,
): Promise<Outcome> {
  const primary = chaos.use(await MortalServer.start());
  const link = chaos.use(await TcpProxy.start(primary.target));
  const replica = chaos.use(await MortalServer.start());
  await follow(chaos, replica, link.port);
  // The new primary's own replica: without one it could not promise anything.
  const next = chaos.use(await MortalServer.start());
  await follow(chaos, next, replica.target.port);
  const front = chaos.use(await TcpProxy.start(primary.target));
  const url = `redis://127.0.0.1:${front.port}`;
  const name = durability ?? "default";
  const place = new Place(chaos, name, durability === undefined ? { url } : { url, durability });
  const observer = await place.observe();
  // Nothing is done before the failover, so that every job must be found after it.
  const load = startLoad(chaos, observer);
  await until(chaos, "promises", () => load.kept.length > 20);
  link.cut();
  const cutAtMs = performance.now();
  await sleep(cutMs);
  const promotedAtMs = performance.now();
  await primary.kill();
  await replica.say("REPLICAOF", "NO", "ONE");
  front.retarget(replica.target);
  await until(chaos, "promises of the new primary", () => load.keptSince(promotedAtMs).length > 20);
  await load.stop();
  await place.workHere();
  await untilDone(chaos, observer);
  return {
    acknowledged: load.kept.length,
    whileCutOff: load.kept.filter(
      ({ keptAtMs }) => keptAtMs > cutAtMs + UNDER_WAY_MS && keptAtMs < promotedAtMs,
    ).length,
    after: load.keptSince(promotedAtMs).length,
    lost: place.judge().lost.length,
    refused: load.refusals.length,
  };
}

async function follow(chaos: Chaos, replica: MortalServer, port: number): Promise<void> {
  await replica.say("CONFIG", "SET", "repl-diskless-sync-delay", 0);
  await replica.say("REPLICAOF", "127.0.0.1", port);
  await until(chaos, "a replica that has all", async () =>
    (await replica.now.client.info("replication")).includes("master_link_status:up"),
  );
}
