// The job types that a process knows, and how each is shown and launched.
import { tellValue } from "../core/arguments.ts";
import type { AnyJobType } from "../core/define-job.ts";
import { MillraceError } from "../core/errors.ts";
import type { LimitDeclaration } from "../core/flow.ts";
import { nearNames } from "../core/near-names.ts";
import { MASK, type Redactor, createRedactor } from "../core/redaction.ts";
import type { TypeRecord } from "../core/store.ts";
import { BATCH_LAUNCHER } from "./launchers/batch.ts";
import { jsonSchemaOf } from "./validation.ts";

/** Job types by name. */
export interface Registry {
  /** @throws MillraceError `DUPLICATE_TYPE` when another type has the name, `INVALID_ARGUMENT` for what is no job type */
  add(type: AnyJobType): void;
  /** Puts a type in the place of one of the same name. */
  replace(type: AnyJobType): void;
  find(name: string): AnyJobType | undefined;
  /** Whether it is this very type that is known by its name. */
  has(type: AnyJobType): boolean;
  /** @throws MillraceError `UNKNOWN_TYPE`, with the closest names that there are */
  get(name: string): AnyJobType;
  all(): readonly AnyJobType[];
  /** Learns how types that only other processes have are masked. */
  learn(types: readonly TypeRecord[]): void;
  /** Whether it is known how a type is masked. */
  isKnown(name: string): boolean;
  /** How values of a type are shown; a type that nobody made known is masked whole. */
  redactorOf(name: string): Redactor;
}

const maskAll: Redactor = (value) => (value === null || value === undefined ? value : MASK);

/** Names told in an error about an unknown type. */
const MAX_TOLD_NAMES = 10;

export function createRegistry(): Registry {
  const types = new Map<string, AnyJobType>();
  const learned = new Map<string, Redactor>();
  return {
    add: (type) => {
      requireJobType(type);
      const known = types.get(type.name);
      if (known !== undefined && known !== type) {
        throw new MillraceError("DUPLICATE_TYPE", {
          message: `two job types are named ${type.name}; give one of them another name`,
        });
      }
      types.set(type.name, type);
    },
    replace: (type) => {
      types.set(type.name, type);
    },
    find: (name) => types.get(name),
    has: (type) => {
      // Whoever has no type checker may ask for anything.
      const asked: AnyJobType | null | undefined = type;
      return asked !== undefined && asked !== null && types.get(asked.name) === asked;
    },
    get: (name) => {
      const type = types.get(name);
      if (type === undefined) throw unknownType(name, [...types.keys()]);
      return type;
    },
    all: () => [...types.values()],
    learn: (records) => {
      for (const { name, redactedPaths } of records) {
        learned.set(name, redactedPaths === "function" ? maskAll : createRedactor(redactedPaths));
      }
    },
    isKnown: (name) => types.has(name) || learned.has(name),
    redactorOf: (name) => types.get(name)?.redact ?? learned.get(name) ?? maskAll,
  };
}

/**
 * Refuses what is no job type: whoever has no type checker may pass a name, or the object meant for `defineJob`.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function requireJobType(type: unknown): void {
  const { name, queue } = (type ?? {}) as { readonly name?: unknown; readonly queue?: unknown };
  if (typeof name === "string" && typeof queue === "string") return;
  const told = typeof name === "string" && typeof type === "object" ? name : tellValue(type);
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `${told} is no job type; expected what defineJob or defineWorkflow gives`,
  });
}

function unknownType(name: string, known: readonly string[]): MillraceError {
  const told = known.slice(0, MAX_TOLD_NAMES).join(", ");
  const more = known.length > MAX_TOLD_NAMES ? ` and ${known.length - MAX_TOLD_NAMES} more` : "";
  const near = nearNames(name, known);
  const meant = near.length === 0 ? "" : ` (did you mean ${near.join(" or ")}?)`;
  return new MillraceError("UNKNOWN_TYPE", {
    message: `no job type is named ${JSON.stringify(name)}${meant}; known here: ${told === "" ? "none" : told}${more}`,
    details: { type: name },
  });
}

function declareLimit({
  name,
  concurrency,
  rate,
}: AnyJobType["flow"]["limits"][number]): LimitDeclaration {
  return { name, concurrency, rate };
}

/** A job type as the store is told of it. */
export function describeType(type: AnyJobType, cancelMarginMs: number): TypeRecord {
  const inputSchema = jsonSchemaOf(type.inputSchema);
  const outputSchema = jsonSchemaOf(type.outputSchema);
  return {
    name: type.name,
    queue: type.queue,
    retention: type.retention,
    maxCrashes: type.maxCrashes,
    // The worker withdraws by itself when the grace is over; the store comes after it, should the worker be silent.
    cancelGraceMs: type.graceMs + cancelMarginMs,
    redactedPaths: type.redactedPaths,
    launcher: type.launch?.launcher ?? (type.batch === undefined ? "in-process" : BATCH_LAUNCHER),
    ...(Number.isFinite(type.concurrency) ? { concurrency: type.concurrency } : {}),
    ...(type.flow.limits.length === 0 ? {} : { limits: type.flow.limits.map(declareLimit) }),
    ...(inputSchema === undefined ? {} : { inputSchema }),
    ...(outputSchema === undefined ? {} : { outputSchema }),
  };
}
