// The routes about schedules.
import { MillraceError } from "../../core/index.ts";
import type { Operations, ScheduleOperations, ScheduleView } from "../../runtime/index.ts";
import { MAX_BODY_BYTES } from "../body.ts";
import { type Route, defineRoute, json } from "../route.ts";
import {
  previewBody,
  previewQuery,
  schedulePage,
  scheduleParams,
  schedulePut,
  scheduleQuery,
  scheduleRemoved,
  scheduleView,
  tickList,
} from "../schemas/schedule-schemas.ts";
import { jobAccepted } from "../schemas/job-schemas.ts";
import { reason } from "../schemas/schemas.ts";

/** The routes about schedules. */
export function scheduleRoutes({ schedules }: Operations): readonly Route[] {
  return [
    listRoute(schedules),
    putRoute(schedules),
    showRoute(schedules),
    removeRoute(schedules),
    pauseRoute(schedules),
    resumeRoute(schedules),
    runRoute(schedules),
    previewRoute(schedules),
    previewRhythmRoute(schedules),
  ];
}

const PATH = "/v1/schedules/{name}";

function listRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/schedules",
    operationId: "listSchedules",
    summary: "List schedules by name, a page at a time.",
    scope: "read",
    query: scheduleQuery,
    replies: [{ status: 200, description: "A page of schedules.", schema: schedulePage }],
    handle: async ({ query }) => json(await schedules.list(query)),
  });
}

function putRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/schedules",
    operationId: "putSchedule",
    summary: "Keep a schedule, or change the one of its name. The same again changes nothing.",
    scope: "admin",
    body: { schema: schedulePut, maxBytes: MAX_BODY_BYTES },
    replies: [{ status: 200, description: "The schedule is kept.", schema: scheduleView }],
    handle: async ({ body }) => json(await schedules.put(body)),
  });
}

function showRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "GET",
    path: PATH,
    operationId: "showSchedule",
    summary: "Show one schedule.",
    scope: "read",
    params: scheduleParams,
    replies: [{ status: 200, description: "The schedule.", schema: scheduleView }],
    handle: async ({ params }) =>
      json((await schedules.get(params.name)) ?? throwNotFound(params.name)),
  });
}

function removeRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "DELETE",
    path: PATH,
    operationId: "removeSchedule",
    summary: "Remove a schedule. The jobs of its ticks stay.",
    scope: "admin",
    params: scheduleParams,
    replies: [{ status: 200, description: "Removed.", schema: scheduleRemoved }],
    handle: async ({ params }) => {
      if (!(await schedules.remove(params.name))) throwNotFound(params.name);
      return json({ name: params.name, removed: true });
    },
  });
}

function pauseRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "POST",
    path: `${PATH}/pause`,
    operationId: "pauseSchedule",
    summary: "Pause a schedule: it fires nothing until it is resumed.",
    scope: "admin",
    params: scheduleParams,
    body: { schema: reason, maxBytes: MAX_BODY_BYTES, isOptional: true },
    replies: [{ status: 200, description: "Paused.", schema: scheduleView }],
    handle: async ({ params, body, caller }) =>
      json(await schedules.pause(params.name, { by: caller.name, reason: body.reason ?? "" })),
  });
}

function resumeRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "POST",
    path: `${PATH}/resume`,
    operationId: "resumeSchedule",
    summary: "Resume a schedule from now on: ticks of the pause are not made good.",
    scope: "admin",
    params: scheduleParams,
    replies: [{ status: 200, description: "Resumed.", schema: scheduleView }],
    handle: async ({ params }) => json(await schedules.resume(params.name)),
  });
}

function runRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "POST",
    path: `${PATH}/run`,
    operationId: "runSchedule",
    summary: "Enqueue a schedule's job now, beside its ticks.",
    scope: "enqueue",
    params: scheduleParams,
    replies: [{ status: 202, description: "The job is kept.", schema: jobAccepted }],
    handle: async ({ params }) => {
      const { id, state, type, isNew } = await schedules.run(params.name);
      return json({ id, state, type, isNew }, 202);
    },
  });
}

function previewRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "GET",
    path: `${PATH}/preview`,
    operationId: "previewSchedule",
    summary: "The next ticks of a schedule, daylight-saving changes marked.",
    scope: "read",
    params: scheduleParams,
    query: previewQuery,
    replies: [{ status: 200, description: "Ticks to come.", schema: tickList }],
    handle: async ({ params, query }) =>
      json({ ticks: await schedules.preview(params.name, query) }),
  });
}

function previewRhythmRoute(schedules: ScheduleOperations): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/schedules/preview",
    operationId: "previewRhythm",
    summary: "The next ticks of a rhythm that nobody has put.",
    scope: "read",
    body: { schema: previewBody, maxBytes: MAX_BODY_BYTES },
    replies: [{ status: 200, description: "Ticks to come.", schema: tickList }],
    handle: async ({ body: { count, after, ...rhythm } }) =>
      json({
        ticks: await schedules.preview(rhythm, {
          ...(count === undefined ? {} : { count }),
          ...(after === undefined ? {} : { after }),
        }),
      }),
  });
}

function throwNotFound(name: string): ScheduleView {
  throw new MillraceError("SCHEDULE_NOT_FOUND", {
    message: `no schedule is named ${JSON.stringify(name)}`,
  });
}
