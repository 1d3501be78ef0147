// Job types that were registered by data, over the API: kept in the store, where every process learns of them.
import { type OptionNames, checkNames, checkObject } from "../core/arguments.ts";
import {
  type AnyJobType,
  JOB_NAMES,
  type JobOptions,
  type LauncherUse,
  makeJobType,
} from "../core/define-job.ts";
import { MillraceError } from "../core/errors.ts";
import { checkName } from "../core/limits.ts";
import type { FlowDeclaration, FlowOptions } from "../core/flow-options.ts";
import type { Store, TypeRecord } from "../core/store.ts";
import { checkFlow } from "./enqueuing/flow.ts";
import type { LauncherPool } from "./launchers/pool.ts";
import type { Logger } from "./logging/logger.ts";
import type { Registry } from "./registry.ts";
import { REMOTE_LAUNCHER } from "./remote/index.ts";

/** A job type as data: what `defineJob` takes, but for functions and schemas. */
export interface TypeDeclaration
  extends
    Omit<
      JobOptions<never, never>,
      "name" | "input" | "output" | "redact" | "schedule" | keyof FlowOptions<never>
    >,
    FlowDeclaration,
    LauncherUse {
  /** Paths masked wherever its jobs are shown. */
  readonly redact?: readonly string[];
}

const {
  name: _name,
  input: _input,
  output: _output,
  schedule: _schedule,
  ...DATA_NAMES
} = JOB_NAMES;
const DECLARATION_NAMES: OptionNames<TypeDeclaration> = {
  ...DATA_NAMES,
  launcher: true,
  options: true,
};

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
  /** Learns those that the store keeps, and from then on those that other processes register or change. */
  follow(): Promise<void>;
  /** Learns no more. */
  stop(): Promise<void>;
}

/** Time between two looks at the types of others: one short read of the store for each process. */
const LOOK_INTERVAL_MS = 1_000;
/** Processes that start together must not look together. */
const JITTER = 0.2;
/** Longest time between two looks while the store fails, which whoever works with it tells of as well. */
const MAX_LOOK_INTERVAL_MS = 30_000;

/** Makes the registering of types by data. */
export function createDeclaredTypes(parts: DeclaredTypesParts): DeclaredTypes {
  const { registry, launchers } = parts;
  const known = new KnownDeclarations(parts);
  const following = repeat(() => known.learn());
  return {
    declare: async (name, declaration) => {
      checkName(name, "type");
      if (registry.find(name) !== undefined && !known.has(name)) {
        throw new MillraceError("DUPLICATE_TYPE", {
          message: `the job type ${name} is declared by the program's own code; register another name`,
        });
      }
      checkObject(declaration, "declaration");
      checkNames(declaration, `job type ${name}`, DECLARATION_NAMES);
      const type = buildType(name, declaration, launchers);
      checkFlow(parts.store, [type]);
      await known.declare(type, JSON.stringify(declaration));
    },
    startsPrograms: (launcher) =>
      launcher !== REMOTE_LAUNCHER && launchers.startsPrograms(launcher),
    follow: async () => {
      await known.learn();
      following.start();
    },
    stop: () => following.stop(),
  };
}

function buildType(
  name: string,
  declaration: TypeDeclaration,
  launchers: LauncherPool,
): AnyJobType {
  const { launcher, options, ...rest } = declaration;
  const type = makeJobType({ ...rest, name, launch: { launcher, options } });
  if (launcher !== REMOTE_LAUNCHER) launchers.check(type);
  return type;
}

/** The declarations that this process has heard of, each as the text that it has last seen. */
class KnownDeclarations {
  readonly #parts: DeclaredTypesParts;
  readonly #texts = new Map<string, string>();
  /** A look that read the store before a declaration was written must not end after it. */
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: DeclaredTypesParts) {
    this.#parts = parts;
  }

  has(name: string): boolean {
    return this.#texts.has(name);
  }

  declare(type: AnyJobType, declaration: string): Promise<void> {
    return this.#inTurn(async () => {
      const { store, describe } = this.#parts;
      await store.putTypes({ types: [{ ...describe(type), declaration }] });
      await this.#take(type, declaration);
    });
  }

  /** Reads the store's types, and takes those that are new or were changed. */
  learn(): Promise<void> {
    return this.#inTurn(() => this.#learn());
  }

  async #take(type: AnyJobType, text: string): Promise<void> {
    this.#texts.set(type.name, text);
    this.#parts.registry.replace(type);
    await this.#parts.serve(type);
  }

  async #learn(): Promise<void> {
    const { store, logger, registry, launchers } = this.#parts;
    const records = await store.types();
    registry.learn(records);
    for (const { name, declaration: text } of records) {
      if (text === undefined || this.#texts.get(name) === text) continue;
      if (registry.find(name) !== undefined && !this.has(name)) continue;
      // Before it is built: one that can't be used here is told once, not at every look.
      this.#texts.set(name, text);
      try {
        const type = buildType(name, JSON.parse(text) as TypeDeclaration, launchers);
        await this.#take(type, text);
      } catch (error) {
        logger.warn({ type: name, err: error }, "registered job type can't be used here");
      }
    }
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(act);
    this.#turn = mine.catch(() => {});
    return mine;
  }
}

interface Repeated {
  start(): void;
  stop(): Promise<void>;
}

/** Does something again and again, less often while it fails. Keeps no process alive. */
function repeat(act: () => Promise<void>): Repeated {
  let timer: NodeJS.Timeout | undefined;
  let acting: Promise<void> | undefined;
  let isStopped = true;
  let intervalMs = LOOK_INTERVAL_MS;
  const turn = async (): Promise<void> => {
    try {
      await act();
      intervalMs = LOOK_INTERVAL_MS;
    } catch {
      intervalMs = Math.min(intervalMs * 2, MAX_LOOK_INTERVAL_MS);
    }
    plan();
  };
  const plan = (): void => {
    if (isStopped) return;
    const jitter = 1 + JITTER * (Math.random() * 2 - 1);
    timer = setTimeout(() => {
      acting = turn();
    }, intervalMs * jitter);
    timer.unref();
  };
  return {
    start: () => {
      if (!isStopped) return;
      isStopped = false;
      plan();
    },
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await acting;
    },
  };
}
