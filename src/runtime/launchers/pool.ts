// The launchers that a process has, by name; each is started when the first type that uses it is served.
import { checkName } from "../../core/limits.ts";
import { checkObject } from "../../core/arguments.ts";
import type { AnyJobType, LauncherUse } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import { BATCH_LAUNCHER, createBatchLauncher } from "./batch.ts";
import { createContainerLauncher } from "./container.ts";
import { createHttpLauncher } from "./http.ts";
import { inProcessLauncher } from "./in-process.ts";
import type { Launcher } from "./launcher.ts";
import { createProcessLauncher } from "./process/index.ts";
import { workflowLauncher } from "./workflow.ts";
import { createThreadLauncher } from "./thread.ts";

/** How one job type is run. */
interface Use {
  readonly launcher: Launcher;
  readonly options: unknown;
}

export interface LauncherPool {
  /** Checks that a type can be run here, and starts its launcher. */
  prepare(type: AnyJobType): Promise<void>;
  /** Checks that there is such a launcher, and the type's options. */
  check(type: AnyJobType): void;
  startsPrograms(launcher: string): boolean;
  /** @throws MillraceError `LAUNCH_FAILED` for a type that was never prepared */
  of(type: AnyJobType): Use;
  /** No more jobs of a type come for now. */
  hurry(type: AnyJobType): void;
  stop(): Promise<void>;
}

function builtIn(): readonly Launcher[] {
  return [
    inProcessLauncher,
    createBatchLauncher(),
    createThreadLauncher(),
    createProcessLauncher(),
    createHttpLauncher(),
    createContainerLauncher(),
    workflowLauncher,
  ];
}

/** Makes the pool of the built-in launchers and others. */
export function createLauncherPool(others: readonly Launcher[]): LauncherPool {
  for (const each of others) checkName(checkObject(each, "launcher").name, "launcher.name");
  const launchers = new Map([...builtIn(), ...others].map((each) => [each.name, each]));
  const uses = new Map<string, Use>();
  const started = new Map<Launcher, Promise<void>>();

  return {
    prepare: async (type) => {
      const use = findUse(type, launchers);
      use.launcher.check?.(use.options, type.name);
      let starting = started.get(use.launcher);
      if (starting === undefined) {
        starting = use.launcher.start?.() ?? Promise.resolve();
        started.set(use.launcher, starting);
      }
      try {
        await starting;
      } catch (error) {
        started.delete(use.launcher);
        throw error;
      }
      uses.set(type.name, use);
    },
    check: (type) => {
      const { launcher, options } = findUse(type, launchers);
      if (isOfFunctions(launcher)) {
        throw new MillraceError("INVALID_ARGUMENT", {
          message: `job type ${type.name} wants the launcher ${launcher.name}, whose handlers are functions; declare it in code with run`,
        });
      }
      launcher.check?.(options, type.name);
    },
    startsPrograms: (name) => launchers.get(name)?.startsPrograms ?? true,
    of: (type) => {
      const use = uses.get(type.name);
      if (use === undefined) {
        throw new MillraceError("LAUNCH_FAILED", {
          message: `job type ${type.name} was not prepared for running`,
        });
      }
      return use;
    },
    hurry: ({ name }) => {
      const use = uses.get(name);
      use?.launcher.hurry?.(use.options);
    },
    stop: async () => {
      const running = [...started.keys()];
      started.clear();
      await Promise.all(running.map(async (launcher) => launcher.stop?.()));
    },
  };
}

function isOfFunctions({ name }: Launcher): boolean {
  return [inProcessLauncher.name, BATCH_LAUNCHER, workflowLauncher.name].includes(name);
}

function findUse(type: AnyJobType, launchers: ReadonlyMap<string, Launcher>): Use {
  const { launcher: name, options } = type.launch ?? ownUse(type);
  const launcher = launchers.get(name);
  if (launcher === undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${type.name} wants the launcher ${JSON.stringify(name)}; there are ${[...launchers.keys()].join(", ")}. Pass others to openMillrace({ launchers: [...] })`,
    });
  }
  return { launcher, options };
}

function ownUse(type: AnyJobType): LauncherUse {
  return type.batch === undefined
    ? { launcher: inProcessLauncher.name, options: type.run }
    : { launcher: BATCH_LAUNCHER, options: type.batch };
}
