// R7: a server that may evict keys, and with them jobs.
import { isMillraceError, openMillrace } from "millrace";
import type { Scenario } from "../harness/scenario.ts";
import { MortalServer } from "./server.ts";

const EVICTING = [
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
] as const;
const MEND = "CONFIG SET maxmemory-policy noeviction";

export const scenario: Scenario = {
  id: "R7",
  fault: "a maxmemory-policy that evicts",
  async run(chaos) {
    const server = chaos.use(await MortalServer.start());
    let refused = 0;
    let mended = 0;
    for (const policy of EVICTING) {
      await server.say("CONFIG", "SET", "maxmemory-policy", policy);
      try {
        await (await openMillrace({ store: server.url, logger: false })).close();
      } catch (error) {
        if (!isMillraceError(error) || error.code !== "STORE_MISCONFIGURED") throw error;
        refused += 1;
        if (!error.message.includes(MEND)) continue;
        const words = MEND.split(" ");
        await server.say(...words);
        await (await openMillrace({ store: server.url, logger: false })).close();
        mended += 1;
      }
    }
    chaos.must("policies refused", refused, { exactly: EVICTING.length });
    chaos.must("mended by what the message says", mended, { exactly: EVICTING.length });
  },
};
