// The schedule room of an open Millrace: the calls about schedules, and the scheduler of a process that works.
import {
  type AnyJobType,
  MAX_IDS,
  MAX_PAGE,
  MillraceError,
  type NewSchedule,
  type ScheduleChange,
  type ScheduleOptions,
  type ScheduleRecord,
  type ScheduleSpec,
  checkObject,
  checkOptions,
  checkTags,
  checkTexts,
  checkWhole,
  readMoment,
  wrongArgument,
} from "../core/index.ts";
import {
  PAUSE_NAMES,
  PREVIEW_NAMES,
  type Room,
  type RoomParts,
  SCHEDULE_QUERY_NAMES,
  type ScheduleListQuery,
  type ScheduleOperations,
  type SchedulePut,
  type ScheduleView,
} from "../runtime/index.ts";
import { createScheduler } from "./scheduler.ts";
import { readSchedule } from "./spec.ts";
import { SCHEDULE_TAG_PREFIX } from "./tick-id.ts";
import { createTimetable, previewTicks } from "./timetable.ts";
import { viewSchedule } from "./view.ts";

/** Schedules in a page, unless asked otherwise: a screenful. */
const DEFAULT_PAGE = 50;
/** Ticks of a preview, unless asked otherwise. */
const DEFAULT_PREVIEW = 10;

/** The room and its calls. */
export interface Schedules {
  readonly room: Room;
  readonly calls: ScheduleOperations;
}

/** Makes the schedule room of an open Millrace. */
export function createSchedules(parts: RoomParts): Schedules {
  const scheduler = createScheduler(parts);
  const change = async (wanted: ScheduleChange): Promise<ScheduleRecord | null> => {
    const [reply] = await parts.store.changeSchedules({ changes: [wanted] });
    scheduler.wake();
    return reply?.schedule ?? null;
  };
  return {
    room: createRoom(parts, scheduler),
    calls: { ...createReads(parts), ...createChanges(parts, change) },
  };
}

function createReads(parts: RoomParts): Pick<ScheduleOperations, "list" | "get" | "preview"> {
  const { store } = parts;
  return {
    list: async (query = {}) => {
      const page = await store.schedules({ kind: "page", ...readQuery(query) });
      const redactorOf = await parts.redactorsOf(page.schedules.map(({ job }) => job.type));
      return {
        schedules: page.schedules.map((each) => viewSchedule(each, redactorOf(each.job.type))),
        ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
      };
    },
    get: async (name) => {
      const { record } = await look(parts, name);
      return record === null ? null : view(parts, record);
    },
    preview: async (schedule, options = {}) => {
      checkOptions(options, "options", PREVIEW_NAMES);
      const { spec, nowMs } =
        typeof schedule === "string"
          ? specOf(await find(parts, schedule))
          : { spec: readSchedule("preview", schedule), nowMs: await now(parts) };
      return previewTicks(createTimetable(spec), {
        afterMs: options.after === undefined ? nowMs : readMoment(options.after, "after"),
        count: options.count ?? DEFAULT_PREVIEW,
      });
    },
  };
}

function createChanges(
  parts: RoomParts,
  change: (wanted: ScheduleChange) => Promise<ScheduleRecord | null>,
): Omit<ScheduleOperations, "list" | "get" | "preview"> {
  const changeKnown = async (wanted: ScheduleChange & { name: string }): Promise<ScheduleView> => {
    const record = await change(wanted);
    if (record === null) throw notFound(wanted.name);
    return view(parts, record);
  };
  return {
    put: async (schedule) => {
      const { type } = checkObject(schedule, "schedule");
      if (typeof type !== "string" && (typeof type !== "object" || type === null)) {
        throw wrongArgument("type", type, "a job type, or the name of one");
      }
      const [made] = await makeSchedules(parts, [schedule]);
      const record = made === undefined ? null : await change({ kind: "put", schedule: made });
      if (record === null) throw new MillraceError("STORE_FAILED");
      return view(parts, record);
    },
    remove: async (name) => (await change({ kind: "remove", name })) !== null,
    pause: async (name, options = {}) => {
      const { by = "unknown", reason = "" } = checkOptions(options, "options", PAUSE_NAMES);
      checkTexts({ by, reason });
      return changeKnown({ kind: "pause", name, by, reason });
    },
    resume: async (name) => {
      for (;;) {
        const found = await find(parts, name);
        const { spec, nowMs } = specOf(found);
        const next = createTimetable(spec).next(nowMs);
        const record = await change({ kind: "resume", name, next, spec: found.record.spec });
        if (record === null) throw notFound(name);
        // Still paused: it was put with another rhythm meanwhile.
        if (record.paused === null || record.spec === found.record.spec) return view(parts, record);
      }
    },
    run: async (name) => {
      const { job } = (await find(parts, name)).record;
      const [receipt] = await parts.keepJobs([{ ...job, id: parts.makeId(job.queue) }]);
      if (receipt === undefined) throw new MillraceError("STORE_FAILED");
      return receipt;
    },
  };
}

interface Found<Known = ScheduleRecord> {
  readonly record: Known;
  /** The store's clock. */
  readonly nowMs: number;
}

async function look({ store }: RoomParts, name: string): Promise<Found<ScheduleRecord | null>> {
  const { schedules, nowMs } = await store.schedules({ kind: "named", names: [name] });
  return { record: schedules[0] ?? null, nowMs };
}

async function find(parts: RoomParts, name: string): Promise<Found> {
  const { record, nowMs } = await look(parts, name);
  if (record === null) throw notFound(name);
  return { record, nowMs };
}

async function now({ store }: RoomParts): Promise<number> {
  return (await store.schedules({ kind: "named", names: [] })).nowMs;
}

function specOf({ record, nowMs }: Found): {
  readonly spec: ScheduleSpec;
  readonly nowMs: number;
} {
  return { spec: JSON.parse(record.spec) as ScheduleSpec, nowMs };
}

async function view(parts: RoomParts, record: ScheduleRecord): Promise<ScheduleView> {
  const { type } = record.job;
  return viewSchedule(record, (await parts.redactorsOf([type]))(type));
}

/** Declared schedules are kept when a process begins to work on their types, and it fires what is due from then on. */
function createRoom(parts: RoomParts, scheduler: ReturnType<typeof createScheduler>): Room {
  return {
    register: (types) => {
      for (const declared of types.flatMap(declaredBy)) readRhythm(declared);
    },
    start: async (types) => {
      const declared = types.flatMap(declaredBy);
      if (!parts.store.capabilities.has("schedules")) {
        if (declared.length > 0) throw unsupported(declared.map(nameOf));
        return;
      }
      if (declared.length > 0) {
        const schedules = await makeSchedules(parts, declared);
        for (let start = 0; start < schedules.length; start += MAX_IDS) {
          const changes = schedules
            .slice(start, start + MAX_IDS)
            .map((schedule) => ({ kind: "put", schedule }) as const);
          await parts.store.changeSchedules({ changes });
        }
      }
      scheduler.start();
    },
    stop: () => scheduler.stop(),
  };
}

function declaredBy(type: AnyJobType): SchedulePut[] {
  return type.schedules.map((schedule: ScheduleOptions) => ({ ...schedule, type }));
}

function nameOf({ name, type }: SchedulePut): string {
  return name ?? (typeof type === "string" ? type : type.name);
}

function readRhythm(schedule: SchedulePut): ScheduleSpec {
  return readSchedule(nameOf(schedule), schedule);
}

/** What the store is to keep: the job checked as an enqueue would be, and the first tick from now on. */
async function makeSchedules(
  parts: RoomParts,
  wanted: readonly SchedulePut[],
): Promise<readonly NewSchedule[]> {
  const specs = wanted.map(readRhythm);
  const nowMs = await now(parts);
  return Promise.all(
    wanted.map(async (schedule, index) => {
      const spec = specs[index] ?? readRhythm(schedule);
      const { job: options = {}, type, input } = schedule;
      const own = checkTags(checkObject(options, "job").tags, "job.tags");
      const tags = [...own, SCHEDULE_TAG_PREFIX + spec.name];
      const { id: _id, ...job } = await parts.createJob(type, input, { ...options, tags });
      const next = createTimetable(spec).next(nowMs);
      return { name: spec.name, job, spec: JSON.stringify(spec), next };
    }),
  );
}

function readQuery(query: ScheduleListQuery): {
  readonly filter: { readonly type?: string; readonly queue?: string };
  readonly limit: number;
  readonly cursor?: string;
} {
  const {
    limit = DEFAULT_PAGE,
    cursor,
    ...filter
  } = checkOptions(query, "query", SCHEDULE_QUERY_NAMES);
  checkWhole(limit, "limit", 1, MAX_PAGE);
  checkTexts({ type: filter.type, queue: filter.queue, cursor });
  return { filter, limit, ...(cursor === undefined ? {} : { cursor }) };
}

function notFound(name: string): MillraceError {
  return new MillraceError("SCHEDULE_NOT_FOUND", {
    message: `no schedule is named ${JSON.stringify(name)}; list them to see which there are`,
    details: { schedule: name },
  });
}

function unsupported(names: readonly string[]): MillraceError {
  return new MillraceError("UNSUPPORTED", {
    message: `this store can't keep schedules, and these are declared: ${names.join(", ")}`,
  });
}
