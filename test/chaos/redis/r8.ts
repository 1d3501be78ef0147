// R8: the server is there and does not serve: it is a replica for now, loads its data, runs a script of someone else,
// or starts again.
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { readEffects } from "../harness/effect-log.ts";
import { Place } from "../harness/place.ts";
import type { Chaos, Scenario } from "../harness/scenario.ts";
import { type Load, startLoad } from "./load.ts";
import { APPEND_ALWAYS, MortalServer } from "./server.ts";
import { mustHaveKept, untilDone } from "./verdict.ts";

const RESUMES_WITHIN_MS = 5_000;
/** The short form runs beside other tests: it sees that work goes on, the long one how soon. */
const BESIDE_OTHERS = 6;

/** Keys whose loading takes the time of the fault. */
const FILLING = 2_000;

/** A fault: ends when the server serves again. */
type Fault = (server: MortalServer, durationMs: number) => Promise<void>;

const FAULTS: Readonly<Record<string, Fault>> = {
  READONLY: async (server, durationMs) => {
    // Of a primary that is not there: it goes on answering reads.
    await server.say("REPLICAOF", "127.0.0.1", 1);
    await sleep(durationMs);
    await server.say("REPLICAOF", "NO", "ONE");
  },
  LOADING: async (server, durationMs) => {
    await server.say("CONFIG", "SET", "loading-process-events-interval-bytes", 1_024);
    const filling = Array.from({ length: FILLING }, (_, index) => [
      `filling-${index}`,
      "x".repeat(100),
    ]).flat();
    await server.say("MSET", ...filling);
    await server.say("CONFIG", "SET", "key-load-delay", Math.round((durationMs * 1_000) / FILLING));
    await server.say("DEBUG", "RELOAD");
    await server.say("CONFIG", "SET", "key-load-delay", 0);
  },
  BUSY: async (server, durationMs) => {
    await server.say("CONFIG", "SET", "busy-reply-threshold", 50);
    const intruder = new Redis({ port: server.target.port, host: server.target.host });
    const running = intruder.eval("while true do end", 0).catch(() => {});
    await sleep(durationMs);
    await server.say("SCRIPT", "KILL");
    await running;
    intruder.disconnect();
  },
  restart: async (server, durationMs) => {
    await server.kill();
    await sleep(durationMs);
    await server.restart();
  },
};

export const scenario: Scenario = {
  id: "R8",
  fault: "READONLY, LOADING, BUSY, and a restart, under load",
  async run(chaos) {
    const durationMs = chaos.isShort ? 700 : 4_000;
    const rounds = chaos.isShort ? 1 : 5;
    const server = chaos.use(
      await MortalServer.start({ args: [...APPEND_ALWAYS, "--enable-debug-command", "yes"] }),
    );
    const place = new Place(chaos, "place", { url: server.url });
    const observer = await place.observe();
    await place.workHere();
    const load = startLoad(chaos, observer);
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, fault] of Object.entries(FAULTS)) {
        await sleep(100);
        await fault(server, durationMs);
        const resumedInMs = await resume(chaos, place, load);
        const atMost = RESUMES_WITHIN_MS * (chaos.isShort ? BESIDE_OTHERS : 1);
        chaos.must(`resumed after ${name}, ms`, resumedInMs, { atMost });
      }
    }
    await load.stop();
    await untilDone(chaos, observer);
    chaos.figure("run twice", mustHaveKept(chaos, place, observer, load));
  },
};

/** Until a job that was enqueued after now has had its effect. */
async function resume(chaos: Chaos, place: Place, load: Load): Promise<number> {
  const sinceMs = performance.now();
  for (;;) {
    const ids = new Set(load.keptSince(sinceMs).map(({ id }) => id));
    const effects = ids.size === 0 ? [] : readEffects(place.logs);
    if (effects.some(({ kind, id }) => kind === "effect" && ids.has(id))) {
      return Math.round(performance.now() - sinceMs);
    }
    await sleep(20, undefined, chaos);
  }
}
