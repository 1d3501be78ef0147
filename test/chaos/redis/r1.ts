// R1: the Redis server is killed in the middle of everything, again and again, with an append-only file.
import { setTimeout as sleep } from "node:timers/promises";
import { Place, QUICK_WORKER } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { startLoad } from "./load.ts";
import { APPEND_ALWAYS, MortalServer } from "./server.ts";
import { mustHaveKept, untilDone } from "./verdict.ts";

const WORKERS = 2;
const LONGEST_LIFE_MS = 600;
const LONGEST_DEATH_MS = 300;

export const scenario: Scenario = {
  id: "R1",
  fault: "Redis with an append-only file, killed with SIGKILL over and over under load",
  async run(chaos) {
    const kills = chaos.isShort ? 3 : 100;
    const server = chaos.use(await MortalServer.start({ args: APPEND_ALWAYS }));
    const place = new Place(chaos, "place", { url: server.url });
    const observer = await place.observe();
    for (let worker = 0; worker < WORKERS; worker += 1) await place.workHere(QUICK_WORKER);
    const load = startLoad(chaos, observer, { workMs: 5 });
    for (let kill = 0; kill < kills; kill += 1) {
      await sleep(chaos.random.integer(50, LONGEST_LIFE_MS));
      await server.kill();
      await sleep(chaos.random.integer(0, LONGEST_DEATH_MS));
      await server.restart();
      const backAtMs = performance.now();
      while (load.keptSince(backAtMs).length === 0) await sleep(5, undefined, chaos);
    }
    await load.stop();
    await untilDone(chaos, observer);

    chaos.figure("kills", kills);
    chaos.figure("run twice", mustHaveKept(chaos, place, observer, load));
  },
};
