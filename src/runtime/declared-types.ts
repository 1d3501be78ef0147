// Job types that were registered by data, over the API: kept in the store, so that every process learns them at start.
import {
  type AnyJobType,
  type JobOptions,
  type LauncherUse,
  defineJob,
} from "../core/define-job.ts";
import { MillraceError } from "../core/errors.ts";
import type { Store, TypeRecord } from "../core/store.ts";
import type { LauncherPool } from "./launchers/pool.ts";
import type { Logger } from "./logger.ts";
import type { Registry } from "./registry.ts";
import { REMOTE_LAUNCHER } from "./remote/index.ts";

/** A job type as data: what `defineJob` takes, but for functions and schemas. */
export interface TypeDeclaration
  extends
    Omit<JobOptions<never, never>, "name" | "input" | "output" | "redact" | "schedule">,
    LauncherUse {
  /** Paths masked wherever its jobs are shown. */
  readonly redact?: readonly string[];
}

/** What registering types by data stands on. */
export interface DeclaredTypesParts {
  readonly store: Store;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly launchers: LauncherPool;
  readonly describe: (type: AnyJobType) => TypeRecord;
  /** Begins to run the type where this process works. */
  readonly serve: (type: AnyJobType) => Promise<void>;
}

/** Registering types by data. */
export interface DeclaredTypes {
  /**
   * Registers a job type, or another form of one that was registered so before.
   *
   * @throws MillraceError `DUPLICATE_TYPE` for a type that the program's own code declares, `INVALID_ARGUMENT`,
   * `FORBIDDEN` and the store's
   */
  declare(name: string, declaration: TypeDeclaration): Promise<void>;
  /** Whether a launcher runs programs of this machine: such a type is registered by administrators alone. */
  startsPrograms(launcher: string): boolean;
  /** Learns those that the store keeps. */
  load(): Promise<void>;
}

/** Makes the registering of types by data. */
export function createDeclaredTypes(parts: DeclaredTypesParts): DeclaredTypes {
  const { store, logger, registry, launchers } = parts;
  const declared = new Set<string>();
  const build = (name: string, declaration: TypeDeclaration): AnyJobType => {
    const { launcher, options, ...rest } = declaration;
    const type = defineJob({ ...rest, name, launch: { launcher, options } });
    if (launcher !== REMOTE_LAUNCHER) launchers.check(type);
    return type;
  };
  return {
    declare: async (name, declaration) => {
      if (registry.find(name) !== undefined && !declared.has(name)) {
        throw new MillraceError("DUPLICATE_TYPE", {
          message: `the job type ${name} is declared by the program's own code; register another name`,
        });
      }
      const type = build(name, declaration);
      const record = { ...parts.describe(type), declaration: JSON.stringify(declaration) };
      await store.putTypes({ types: [record] });
      declared.add(name);
      registry.replace(type);
      await parts.serve(type);
    },
    startsPrograms: (launcher) =>
      launcher !== REMOTE_LAUNCHER && launchers.startsPrograms(launcher),
    load: async () => {
      for (const { name, declaration } of await store.types()) {
        if (declaration === undefined || registry.find(name) !== undefined) continue;
        try {
          registry.replace(build(name, JSON.parse(declaration) as TypeDeclaration));
          declared.add(name);
        } catch (error) {
          logger.warn({ type: name, err: error }, "registered job type can't be used here");
        }
      }
    },
  };
}
