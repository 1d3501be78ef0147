// R9: the server is stopped (SIGSTOP) for three leases; and then only one worker is cut off for as long.
import { setTimeout as sleep } from "node:timers/promises";
import type { WorkerOptions } from "millrace";
import { type Effect, readEffects } from "../harness/effect-log.ts";
import { type Observer, Place, QUICK_WORKER, mustKeepPromises, until } from "../harness/place.ts";
import type { Chaos, Scenario } from "../harness/scenario.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";
import { startLoad } from "./load.ts";
import { MortalServer } from "./server.ts";
import { untilDone } from "./verdict.ts";

/** Long enough that the keeper gets its turn on a busy machine. */
const LEASE_MS = 2_000;
const WORKER: WorkerOptions = { ...QUICK_WORKER, leaseDuration: LEASE_MS };
const AWAY_MS = 3 * LEASE_MS;
const WORK_MS = 400;

export const scenario: Scenario = {
  id: "R9",
  fault: "Redis stopped (SIGSTOP) for three leases; one of two workers cut off for three leases",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 20;
    const server = chaos.use(await MortalServer.start());
    const place = new Place(chaos, "place", { url: server.url });
    const observer = await place.observe();
    const worker = await place.workHere(WORKER);
    const load = startLoad(chaos, observer, { workMs: 100 });
    for (let stop = 0; stop < rounds; stop += 1) {
      await sleep(chaos.random.integer(300, 1_000));
      server.pause();
      await sleep(AWAY_MS);
      server.resume();
      const backAtMs = performance.now();
      await until(chaos, "work that goes on", () => load.keptSince(backAtMs).length > 0);
    }
    await load.stop();
    await untilDone(chaos, observer);
    chaos.figure("stops", rounds);
    chaos.must("refused", load.refusals.length, { exactly: 0 });
    chaos.must("run twice, nobody else having taken it", place.judge().duplicates, { exactly: 0 });
    await worker.close();

    const overwritten = await cutWorkersOff(chaos, { place, observer, server, rounds });
    mustKeepPromises(chaos, place.judge(), observer.transitions);
    chaos.must("results overwritten by a late word", overwritten, { exactly: 0 });
    chaos.must("late words refused", place.told.filter(isOfLateWord).length, { atLeast: rounds });
  },
};

/** Of a worker whose word was refused, or that learned first that its claims are void and kept silent. */
function isOfLateWord(line: string): boolean {
  return line.includes('"lease lost"') || line.includes('"late word refused');
}

/** A worker that is cut off while it runs a job comes back when another has taken and ended it. */
async function cutWorkersOff(
  chaos: Chaos,
  on: {
    readonly place: Place;
    readonly observer: Observer;
    readonly server: MortalServer;
    readonly rounds: number;
  },
): Promise<number> {
  const { place, observer, server, rounds } = on;
  const { mill, log, types } = observer;
  let overwritten = 0;
  for (let round = 0; round < rounds; round += 1) {
    const proxy = chaos.use(await TcpProxy.start(server.target));
    const cutOff = await place.workHere(WORKER, `redis://127.0.0.1:${proxy.port}`);
    const number = FIRST_CUT + round;
    log.intend(number);
    const receipt = await mill.enqueue(types.deaf, { number, workMs: WORK_MS });
    log.acknowledge({ number, id: receipt.id });
    const seen = (kind: Effect["kind"]): number =>
      readEffects(place.logs).filter((each) => each.kind === kind && each.id === receipt.id).length;
    await until(chaos, "the start of the job", () => seen("start") === 1);
    const refusedBefore = place.told.filter(isOfLateWord).length;
    proxy.stall();
    const stalledAtMs = performance.now();
    const other = await place.workHere(WORKER);
    const standing = await receipt.result();
    await sleep(Math.max(0, AWAY_MS - (performance.now() - stalledAtMs)));
    await until(chaos, "both effects", () => seen("effect") === 2);
    proxy.mend();
    const isRefused = (): boolean => place.told.filter(isOfLateWord).length > refusedBefore;
    await until(chaos, "a late word", isRefused);
    if ((await mill.job(receipt.id))?.result !== standing) overwritten += 1;
    await cutOff.close();
    await other.close();
  }
  return overwritten;
}

/** Numbers of jobs beyond those of the load. */
const FIRST_CUT = 1_000_000;
