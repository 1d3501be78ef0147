// A process that works on runs, and dies at a write to its store, or says everything twice, as it is told.
import { appendFileSync } from "node:fs";
import { type Store, openMillrace } from "millrace";
import { openStore } from "../../../src/runtime/open-store.ts";
import { QUICK_WORKER } from "../harness/place.ts";
import { programOptions, serve } from "./channel.ts";
import { runTypes } from "./run-jobs.ts";

/** What the harness says of this process. */
export interface RunnerOptions {
  readonly store: string;
  /** The file of undos. */
  readonly record: string;
  /** Whether every word is delivered twice. */
  readonly isTwice: boolean;
}

/** Between writes, and to be told to die. */
interface Death {
  /** Writes left until it dies; `null`: it lives. */
  left: number | null;
  /** Whether its last write is kept. */
  isKept: boolean;
}

const options = programOptions() as RunnerOptions;
const death: Death = { left: null, isKept: false };
const kept = await openStore({ url: options.store, namespace: "default" });
const mill = await openMillrace({
  store: wrapped(kept),
  logger: false,
  // A file that no fault touches.
  jobs: runTypes((undone) => appendFileSync(options.record, `${JSON.stringify(undone)}\n`)).all,
  worker: QUICK_WORKER,
});

function wrapped(store: Store): Store {
  const exchange: Store["exchange"] = async (request) => {
    const says = request.settlements.length + (request.advances?.length ?? 0) > 0;
    if (says && death.left !== null) {
      death.left -= 1;
      if (death.left <= 0) {
        if (death.isKept) await store.exchange(request);
        process.kill(process.pid, "SIGKILL");
      }
    }
    const reply = await store.exchange(request);
    if (says && options.isTwice) {
      // A claim made twice would be two claims.
      const { claim: _, ...said } = request;
      await store.exchange(said);
    }
    return reply;
  };
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (name === "exchange") return exchange;
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

serve({
  start: () => mill.start(),
  rest: () => mill.stop(),
  die: ({ at, isKept }) => {
    death.isKept = isKept === true;
    death.left = Number(at);
  },
});
