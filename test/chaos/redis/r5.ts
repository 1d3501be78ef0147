// R5: the server forgets every script, again and again.
import { setTimeout as sleep } from "node:timers/promises";
import { Place } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { startLoad } from "./load.ts";
import { MortalServer } from "./server.ts";
import { STEADY_WORKER, mustBeQuiet, mustHaveKept, untilDone } from "./verdict.ts";

const EVERY_MS = 100;

export const scenario: Scenario = {
  id: "R5",
  fault: "SCRIPT FLUSH every 100 ms under load",
  async run(chaos) {
    const flushes = chaos.isShort ? 10 : 600;
    const server = chaos.use(await MortalServer.start());
    const place = new Place(chaos, "place", { url: server.url });
    const observer = await place.observe();
    await place.workHere(STEADY_WORKER);
    const load = startLoad(chaos, observer, { callers: 10, restMs: 2 });
    for (let flush = 0; flush < flushes; flush += 1) {
      await sleep(EVERY_MS, undefined, chaos);
      await server.say("SCRIPT", "FLUSH");
    }
    await load.stop();
    await untilDone(chaos, observer);

    chaos.figure("flushes", flushes);
    chaos.must("run twice", mustHaveKept(chaos, place, observer, load), { exactly: 0 });
    mustBeQuiet(chaos, place);
  },
};
