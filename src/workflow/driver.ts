// Drives the workflow runs that a worker claims: reads their records, and keeps them in memory until they say their last.
import type { AnyJobType } from "../core/define-job.ts";
import { MillraceError, toErrorRecord } from "../core/errors.ts";
import type { ClaimedJob } from "../core/store.ts";
import type { HeldRun, RoomParts, RunDriver, RunOwner } from "../runtime/index.ts";
import { isWorkflow } from "./define-workflow.ts";
import { misused } from "./errors.ts";
import { LiveRun } from "./run/live-run.ts";
import type { LiveRunParts, Recorded } from "./run/run-parts.ts";
import { lostAnswer, readFacts } from "./run/large-endings.ts";
import { type RunRecord, readRecord } from "./record/reading.ts";
import { type Item, readScript, rewind, writeItem, writeEntry } from "./record/record.ts";
import { createTelling } from "./run/run-log.ts";
import { runFunction } from "./run/running.ts";
import { createTurns } from "./run/turns.ts";

const NO_RECORD: RunRecord = { entries: [], facts: [], cancelReason: null };
const NEW: Recorded = {
  items: [],
  retries: 0,
  entries: 0,
  length: 0,
  facts: [],
  cancelReason: null,
};

/** Makes the driver of a process. */
export function createDriver(room: DriverParts): RunDriver {
  const parts: LiveRunParts = {
    room,
    turns: createTurns(),
    tellingOf: (run, of, input, about) =>
      createTelling({ run, owner: run.owner, logger: room.logger }, of, input, about),
    runFunction: (run) => runFunction(run, room.values),
  };
  return {
    begin: (claimed: ClaimedJob, type: AnyJobType, owner: RunOwner): HeldRun => {
      if (!isWorkflow(type)) throw misused(`${type.name} is no workflow`);
      const run = new LiveRun(claimed, { type, owner }, parts);
      if (claimed.resumes === true || room.values.isAway(claimed.input))
        void resume(room, run, owner);
      else run.begin(NEW);
      return run;
    },
  };
}

type DriverParts = Pick<RoomParts, "store" | "logger" | "prepareJob" | "values">;

/** When a run is tried again whose record, or what it refers to, could not be read. */
const UNREADABLE_FOR_MS = 10_000;

/** Takes a run up from its record. */
async function resume(room: DriverParts, run: LiveRun, owner: RunOwner): Promise<void> {
  const { id, resumes } = run.claimed;
  let known: { readonly entries: number; readonly facts: number } | null = null;
  try {
    const record = resumes === true ? await readRecord(room.store, id) : NO_RECORD;
    if (record === null) {
      run.leave("now");
      return;
    }
    const { entries, cancelReason } = record;
    known = { entries: entries.length, facts: record.facts.length };
    run.input = await room.values.read(id, run.claimed.input);
    const { facts, missing } = await readFacts(room.values, record.facts);
    const read = readScript(entries);
    const lost = lostAnswer(read.items, missing);
    if (lost !== null) throw lost;
    const back = takenBack(read.items, facts);
    const { items, retries } =
      back === null ? read : readScript([...entries, writeEntry([writeItem(back)])]);
    const length = entries.reduce((sum, entry) => sum + entry.length, 0);
    run.begin({ items, retries, entries: entries.length, length, facts, cancelReason }, back);
  } catch (error) {
    room.logger.error({ jobId: id, error: toErrorRecord(error) }, "run not taken up");
    if (known === null) run.leave("now");
    else if (error instanceof MillraceError && error.code === "BLOB_MISSING") {
      run.refuse(error, known.entries);
    } else {
      const next = { kind: "parked", delayMs: UNREADABLE_FOR_MS, facts: known.facts } as const;
      void owner.say({ from: known.entries, entries: [], next });
    }
  }
}

/** What a retry by hand takes back: the run had ended, and was claimed again. */
function takenBack(
  items: readonly Item[],
  facts: Recorded["facts"],
): ReturnType<typeof rewind> | null {
  if (items.at(-1)?.kind !== "end") return null;
  const failed = new Set<string>();
  for (const { key, kind, body } of facts) {
    if (kind === "ended" && !body.startsWith('{"state":"succeeded"')) failed.add(key);
  }
  return rewind(items, (jobId) => failed.has(jobId));
}
