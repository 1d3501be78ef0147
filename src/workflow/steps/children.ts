// The jobs of a run's steps: made when a step is taken, and again when the run is taken up from its record.
import { toErrorRecord } from "../../core/errors.ts";
import type { ChildJob } from "../../core/run.ts";
import type { NewJob } from "../../core/store.ts";
import type { RoomParts } from "../../runtime/index.ts";
import type { Inbox } from "../run/inbox.ts";
import type { Operation, Work } from "./operation.ts";
import { writeItem } from "../record/record.ts";
import type { Speech } from "../run/speech.ts";
import type { StepIds } from "./step-ids.ts";

/** What making jobs needs of a run. */
export interface ChildrenParts {
  readonly room: Pick<RoomParts, "prepareJob">;
  readonly ids: StepIds;
  readonly speech: Speech;
  readonly inbox: Inbox;
  clockMs(): number;
  /** There is something to say. */
  ask(): void;
}

/** Makes the job of a step. Its id is the same whenever the step is taken again. */
export function makeJob(
  { room, ids }: Pick<ChildrenParts, "room" | "ids">,
  step: number,
  { type, input, options }: Extract<Work, { kind: "job" }>,
): NewJob | Promise<NewJob> {
  return room.prepareJob(type, input, options, (queue) => ids.of(step, type.name, queue));
}

/** A job whose input is still being checked. Its step is in the record before its job has an id. */
export function addLate(
  parts: ChildrenParts,
  operation: Operation,
  child: Promise<ChildJob>,
): void {
  const { speech, inbox } = parts;
  const { begun, step } = operation;
  const keep = async (): Promise<void> => {
    try {
      const job = await child;
      if (begun.kind === "job") begun.jobId = job.id;
      inbox.index(job.id, operation);
      speech.addChild(writeItem({ kind: "again", step, jobId: job.id }), job);
      if (operation.state === "dropped") speech.cancel(job.id);
    } catch (error) {
      const atMs = parts.clockMs();
      const base = { kind: "did", step, atMs, startedAtMs: atMs, attempts: 0 } as const;
      inbox.putEnd(operation, { ...base, error: toErrorRecord(error) });
    }
    parts.ask();
  };
  speech.add(begun);
  void keep();
}

/** A step whose job may never have been kept, or is to be made anew, is given one. */
export function recover(parts: ChildrenParts, operation: Operation): void {
  const { speech, inbox } = parts;
  const { work } = operation.draft;
  const { begun, step } = operation;
  if (work.kind !== "job" || begun.kind !== "job") return;
  const known = begun.jobId;
  if (inbox.facts.endingOf(known) !== undefined) return;
  const keep = (job: NewJob): void => {
    begun.jobId = known ?? job.id;
    inbox.index(begun.jobId, operation);
    const text = known === null ? writeItem({ kind: "again", step, jobId: job.id }) : null;
    speech.addChild(text, known === null ? job : { ...job, id: known, isAgain: true });
    parts.ask();
  };
  const made = makeJob(parts, step, work);
  if (made instanceof Promise) {
    // An input that fitted when the step was taken fits again; where it does not, the step fails by it.
    addLate(
      parts,
      operation,
      made.then((job) => (known === null ? job : { ...job, id: known, isAgain: true })),
    );
  } else keep(made);
}
