// R4: the request goes through and its reply is lost, with the connection.
import { DEFAULT_DEADLINE_MS } from "../../../src/stores/redis/link/link.ts";
import { Place, countJobs, until } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";
import { startLoad } from "./load.ts";
import { MortalServer } from "./server.ts";
import { STEADY_WORKER, mustHaveKept, untilDone } from "./verdict.ts";

/** A deadline may be noticed so late, on a machine that others use too. */
const LATE_MS = 1_000;

export const scenario: Scenario = {
  id: "R4",
  fault: "replies lost after the request went through, with their connections",
  async run(chaos) {
    const losses = chaos.isShort ? 20 : 5_000;
    const server = chaos.use(await MortalServer.start());
    const proxy = chaos.use(await TcpProxy.start(server.target));
    const url = `redis://127.0.0.1:${proxy.port}`;
    const place = new Place(chaos, "place", { url });
    const observer = await place.observe();
    // No lease ends because its keeper was cut off: whatever runs twice was handed out twice.
    await place.workHere(STEADY_WORKER);
    const load = startLoad(chaos, observer, { callers: 10 });
    while (proxy.lost < losses) {
      const before = { lost: proxy.lost, kept: load.kept.length };
      proxy.loseReplies(1);
      await until(chaos, "a lost reply", () => proxy.lost > before.lost);
      await until(chaos, "a promise after it", () => load.kept.length > before.kept);
    }
    await load.stop();
    proxy.mend();
    await untilDone(chaos, observer);

    chaos.figure("replies lost", proxy.lost);
    chaos.must("run twice", mustHaveKept(chaos, place, observer, load), { exactly: 0 });
    const { ended } = await countJobs(observer.mill);
    chaos.must("jobs beyond those promised", ended - load.kept.length, { exactly: 0 });
    chaos.must("slowest promise, ms", load.longestMs(), { atMost: DEFAULT_DEADLINE_MS + LATE_MS });
  },
};
