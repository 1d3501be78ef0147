// C2: slots are moved from primary to primary while jobs in them are enqueued, run and settled, under limits too.
import { directoryOf, roomOf } from "../../../src/stores/redis/layout.ts";
import { Place } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { MortalCluster } from "./cluster.ts";
import { startLimitedLoad } from "./limited-load.ts";
import { startLoad } from "./load.ts";
import { STEADY_WORKER, mustBeQuiet, mustHaveKept, untilDone } from "./verdict.ts";

const PARTITIONS = 4;
const NAMESPACE = "default";
const PASSING = /\b(MOVED|ASK|TRYAGAIN|CROSSSLOT|CLUSTERDOWN)\b/;

export const scenario: Scenario = {
  id: "C2",
  fault: "slots of a Cluster moved under load",
  async run(chaos) {
    const rounds = chaos.isShort ? 2 : 60;
    const cluster = chaos.use(await MortalCluster.start([], 0));
    const url = `${cluster.url}?partitions=*:${PARTITIONS}`;
    const place = new Place(chaos, "place", { url });
    const observer = await place.observe();
    await place.workHere(STEADY_WORKER);
    const load = startLoad(chaos, observer, { callers: 20, restMs: 20, workMs: 5 });
    const limited = await startLimitedLoad(chaos, url);
    // The rooms of the jobs, and the directory beside them.
    const keys = Array.from(
      { length: PARTITIONS },
      (_, part) => roomOf(NAMESPACE, "work", part).name,
    );
    keys.push(roomOf(NAMESPACE, limited.queue, 0).name, directoryOf(NAMESPACE).types);
    let moves = 0;
    let moved = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const key of keys) {
        const primaries = await cluster.primaries();
        const [asked] = primaries;
        const slot = Number(await asked?.client.call("CLUSTER", "KEYSLOT", key));
        const from = await cluster.ownerOf(slot);
        const to = chaos.random.pick(primaries.filter((each) => each !== from));
        moved += await cluster.moveSlot(slot, from, to);
        moves += 1;
      }
    }
    await limited.stop();
    await load.stop();
    await untilDone(chaos, observer);

    chaos.figure("slots moved", moves);
    chaos.must("keys moved", moved, { atLeast: moves });
    chaos.must("run twice", mustHaveKept(chaos, place, observer, load), { exactly: 0 });
    const told = place.told.filter((line) => PASSING.test(line));
    chaos.must("MOVED, ASK, TRYAGAIN, CROSSSLOT told to a worker", told.length, { exactly: 0 });
    mustBeQuiet(chaos, place);
  },
};
