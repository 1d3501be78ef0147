// Steps beside the record: how one is written down, and whether the one that the function takes is the one recorded.
import type { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { changed } from "../errors.ts";
import type { Draft } from "../steps/operation.ts";
import { type Begun, type Item, isBegun } from "./record.ts";

/** The item that says that a step begins. */
export function beginItem(
  step: number,
  { name, work, of }: Draft,
  atMs: number,
  jobId: JobId | null,
): Begun {
  const base = { step, name, atMs, of: of ?? null };
  switch (work.kind) {
    case "job":
      return { kind: "job", ...base, type: work.type.name, jobId };
    case "local":
      return { kind: "local", ...base };
    case "sleep":
    case "signal":
      return { kind: work.kind, ...base, of: null, untilMs: work.untilMs };
  }
}

/** Why a step is not the one in the record; `null` where it is. `draft` null: the function takes none. */
export function checkRecorded(
  recorded: Item,
  step: number,
  draft: Draft | null,
): MillraceError | null {
  const found = draft === null ? "takes no step there" : `takes ${describeDraft(draft)}`;
  if (!isBegun(recorded)) {
    return changed(step, "not taken before the function was told more", found);
  }
  const isSame =
    draft !== null &&
    recorded.step === step &&
    recorded.kind === draft.work.kind &&
    recorded.name === draft.name &&
    (recorded.kind !== "job" ||
      draft.work.kind !== "job" ||
      recorded.type === draft.work.type.name);
  return isSame ? null : changed(step, describeBegun(recorded), found);
}

function describeBegun(begun: Begun): string {
  const type = begun.kind === "job" && begun.type !== begun.name ? ` of type ${begun.type}` : "";
  return `${WORDS[begun.kind]} ${JSON.stringify(begun.name)}${type}`;
}

function describeDraft({ name, work }: Draft): string {
  const type = work.kind === "job" && work.type.name !== name ? ` of type ${work.type.name}` : "";
  return `${WORDS[work.kind]} ${JSON.stringify(name)}${type}`;
}

const WORDS: Readonly<Record<Begun["kind"], string>> = {
  job: "the job",
  local: "the local step",
  sleep: "the sleep",
  signal: "the wait for the signal",
};
