// Workflow runs over HTTP: the same calls as with a store at hand.
import { isMillraceError } from "../../core/index.ts";
import type { RunOperations, RunView } from "../../runtime/index.ts";
import type { Send } from "./send.ts";

const pathOf = (id: string): string => `/v1/runs/${encodeURIComponent(id)}`;

/** The calls about runs, by a service's HTTP API. */
export function runOperations(send: Send): RunOperations {
  return {
    get: async (id) => {
      try {
        return (await send("GET", pathOf(id))) as RunView;
      } catch (thrown) {
        if (isMillraceError(thrown, "JOB_NOT_FOUND")) return null;
        throw thrown;
      }
    },
    signal: async (id, name, payload) => {
      await send("POST", `${pathOf(id)}/signals/${encodeURIComponent(name)}`, {
        body: payload === undefined ? {} : { payload },
      });
    },
  };
}
