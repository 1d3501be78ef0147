// Schedules over HTTP: the same calls as with a store at hand.
import { type Moment, type TickPreview, checkOptions, isMillraceError } from "../../core/index.ts";
import {
  PAUSE_NAMES,
  PREVIEW_NAMES,
  type Receipt,
  type ScheduleOperations,
  type SchedulePageView,
  type ScheduleView,
} from "../../runtime/index.ts";
import { type Send, searchOf } from "./send.ts";

const ROOT = "/v1/schedules";

/** The calls about schedules, by a service's HTTP API. */
export function scheduleOperations(
  send: Send,
  toReceipt: (accepted: Omit<Receipt, "result">) => Receipt,
): ScheduleOperations {
  return {
    put: async ({ type, ...schedule }) =>
      (await send("POST", ROOT, {
        body: { type: typeof type === "string" ? type : type.name, ...schedule },
      })) as ScheduleView,
    list: async (query = {}) =>
      (await send("GET", `${ROOT}${searchOf({ ...query })}`)) as SchedulePageView,
    get: async (name) =>
      unlessGone(null, async () => (await send("GET", pathOf(name))) as ScheduleView),
    remove: async (name) =>
      unlessGone(false, async () => {
        await send("DELETE", pathOf(name));
        return true;
      }),
    // The service writes down who asked by the token's name, so `by` is not sent.
    pause: async (name, options = {}) => {
      const { reason } = checkOptions(options, "options", PAUSE_NAMES);
      const body = reason === undefined ? {} : { reason };
      return (await send("POST", `${pathOf(name)}/pause`, { body })) as ScheduleView;
    },
    resume: async (name) => (await send("POST", `${pathOf(name)}/resume`)) as ScheduleView,
    run: async (name) =>
      toReceipt((await send("POST", `${pathOf(name)}/run`)) as Omit<Receipt, "result">),
    preview: async (schedule, options = {}) => {
      const { count, after } = checkOptions(options, "options", PREVIEW_NAMES);
      const asked =
        typeof schedule === "string"
          ? send("GET", `${pathOf(schedule)}/preview${searchOf({ count, after: isoOf(after) })}`)
          : send("POST", `${ROOT}/preview`, { body: { ...schedule, count, after } });
      return ((await asked) as { readonly ticks: readonly TickPreview[] }).ticks;
    },
  };
}

function pathOf(name: string): string {
  return `${ROOT}/${encodeURIComponent(name)}`;
}

function isoOf(moment: Moment | undefined): string | undefined {
  if (moment === undefined || typeof moment === "string") return moment;
  return new Date(moment).toISOString();
}

async function unlessGone<Value, Gone>(
  gone: Gone,
  ask: () => Promise<Value>,
): Promise<Value | Gone> {
  try {
    return await ask();
  } catch (thrown) {
    if (isMillraceError(thrown, "SCHEDULE_NOT_FOUND")) return gone;
    throw thrown;
  }
}
