// Keys of jobs as scripts take them: scripts/gates.ts says how.
import type { LimitKey, NewLimitKey, OnLimit } from "../../../core/flow.ts";

/** Between a limit's name and its key, and between keys: no name and no key can contain it. */
const SEPARATOR = "\u0001";

/** The gate of a key. */
export function gateOf({ limit, key }: LimitKey): string {
  return `${limit}${SEPARATOR}${key}`;
}

/** Writes the keys of a job. */
export function writeKeys(keys: readonly LimitKey[]): string {
  return keys.map(gateOf).join(SEPARATOR);
}

/** Reads them back. */
export function readKeys(text: string): readonly LimitKey[] {
  const parts = text.split(SEPARATOR);
  const keys: LimitKey[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    keys.push({ limit: parts[at] ?? "", key: parts[at + 1] ?? "" });
  }
  return keys;
}

const CHOICES: Readonly<Record<OnLimit, string>> = {
  wait: "w",
  "drop-new": "d",
  "cancel-oldest": "c",
};

/** Keys of a new job, with what is done where as many stand as may run. */
export function writeNewKeys(keys: readonly NewLimitKey[]): string {
  const choices = keys.map(({ onLimit = "wait" }) => CHOICES[onLimit]).join("");
  return `${choices}\0${writeKeys(keys)}`;
}

/** Whether a new job stands for others of one of its keys. */
export function isChoosing(keys: readonly NewLimitKey[]): boolean {
  return keys.some(({ onLimit = "wait" }) => onLimit !== "wait");
}
