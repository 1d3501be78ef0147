// The room of workflows in an open Millrace: drives its runs, shows them, and signals them.
import type { AnyJobType } from "../core/define-job.ts";
import { MillraceError } from "../core/errors.ts";
import type { JobId } from "../core/ids.ts";
import type { OpenStep } from "../core/why.ts";
import type { JobRecord } from "../core/job.ts";
import { checkName, toJson } from "../core/limits.ts";
import type { Room, RoomParts, RunDriver, RunOperations, RunView } from "../runtime/index.ts";
import { WORKFLOW_LAUNCHER, isWorkflow } from "./define-workflow.ts";
import { createDriver } from "./driver.ts";
import { readRecord } from "./record/reading.ts";
import { openJobs, viewRun } from "./view.ts";

/** Workflows, as an open Millrace has them. */
export interface Workflows {
  readonly room: Room;
  readonly runs: RunDriver;
  readonly calls: RunOperations;
  /** The steps of a run that have not ended. */
  readonly openSteps: (id: JobId) => Promise<readonly OpenStep[]>;
}

/** Ids asked for in one call. */
const ID_BATCH = 500;

const nothing = async (): Promise<void> => {};

/** Makes the room of workflows. */
export function createWorkflows(parts: RoomParts): Workflows {
  const calls = createCalls(parts);
  return {
    runs: createDriver(parts),
    calls,
    openSteps: async (id) => openStepsOf(await calls.get(id)),
    room: {
      register: (types) => checkCapability(parts, types),
      start: nothing,
      stop: nothing,
    },
  };
}

function openStepsOf(run: RunView | null): readonly OpenStep[] {
  return (run?.steps ?? [])
    .filter(({ state }) => state === "waiting" || state === "running")
    .map(({ step, name, kind, jobId, until }) => {
      const untilMs = until === null ? null : Date.parse(until);
      return { step, name, kind, jobId, untilMs };
    });
}

/** What can be done with runs. */
function createCalls(parts: RoomParts): RunOperations {
  const { store } = parts;
  return {
    get: async (id) => {
      const [job] = await store.get({ ids: [id] });
      const record = job === undefined || job === null ? null : await readRecord(store, id);
      if (job === undefined || job === null || record === null) return null;
      if (record.entries.length === 0) await checkIsRun(parts, job);
      const { ids, types } = openJobs(record);
      const redactorOf = await parts.redactorsOf([job.type, ...types]);
      return viewRun({ job, record, jobs: await jobsOf(parts, ids), redactorOf });
    },
    signal: async (id, name, payload = null) => {
      const signal = {
        run: id,
        id: parts.makeId("signal"),
        name: checkName(name, "signal"),
        payload: toJson(payload, `payload of the signal ${name}`, undefined, "INVALID_ARGUMENT"),
      };
      const [reply] = await store.signal({ signals: [signal] });
      if (reply?.changed === true) return;
      const state = reply?.state ?? null;
      if (state === null) {
        throw new MillraceError("JOB_NOT_FOUND", { message: `no run ${id} is kept` });
      }
      throw new MillraceError("WRONG_STATE", {
        message: `the run ${id} ${state === "cancelled" ? "was cancelled" : `has ${state}`}: it takes no signal any more`,
        details: { jobId: id, state },
      });
    },
  };
}

/** A run that has begun has a record; of one that has not, the store's list of types knows what it is. */
async function checkIsRun({ store }: RoomParts, { id, type }: JobRecord): Promise<void> {
  const types = await store.types();
  const launcher = types.find(({ name }) => name === type)?.launcher ?? WORKFLOW_LAUNCHER;
  if (launcher === WORKFLOW_LAUNCHER) return;
  throw new MillraceError("WRONG_STATE", {
    message: `the job ${id} is no workflow run: its type ${type} is a plain job`,
    details: { jobId: id, type },
  });
}

function checkCapability({ store }: RoomParts, types: readonly AnyJobType[]): void {
  const workflow = types.find(isWorkflow);
  if (workflow === undefined || store.capabilities.has("workflows")) return;
  throw new MillraceError("UNSUPPORTED", {
    message: `${workflow.name} is a workflow, and this store can't keep runs; use SQLite, Redis, or another store that has the capability "workflows"`,
    details: { type: workflow.name, capability: "workflows" },
  });
}

async function jobsOf(
  { store }: RoomParts,
  ids: readonly JobId[],
): Promise<ReadonlyMap<JobId, JobRecord>> {
  const jobs = new Map<JobId, JobRecord>();
  for (let from = 0; from < ids.length; from += ID_BATCH) {
    const records = await store.get({ ids: ids.slice(from, from + ID_BATCH) });
    for (const record of records) if (record !== null) jobs.set(record.id, record);
  }
  return jobs;
}
