// What a run's function, and the handlers that it calls here, say on their way: lines of its log, and progress.
import type { AnyJobType, JobLog } from "../../core/define-job.ts";
import { toErrorRecord } from "../../core/errors.ts";
import { LOG_LEVELS, type LogLevel } from "../../core/job.ts";
import { MAX_PROGRESS_BYTES, toJson } from "../../core/limits.ts";
import { collectSecrets, maskText, maskValue } from "../../core/redaction.ts";
import type { RoomParts, RunOwner } from "../../runtime/index.ts";
import type { LiveRun } from "./live-run.ts";

/** Where a run's words go. */
export interface LogParts {
  readonly run: LiveRun;
  readonly owner: RunOwner;
  readonly logger: RoomParts["logger"];
}

/** What a handler tells while it runs. */
export interface Telling {
  readonly log: JobLog;
  readonly progress: (value: unknown) => void;
}

/**
 * What is told of work on an input, masked by its type. Silent while the record is replayed.
 *
 * @param about fields of every line beside the run's own
 */
export function createTelling(
  { run, owner, logger }: LogParts,
  type: AnyJobType,
  input: unknown,
  about: object = {},
): Telling {
  const { claimed } = run;
  const secrets = type.redactedPaths.length === 0 ? [] : collectSecrets(input, type.redact);
  const shownOf = (value: unknown, what: string): unknown =>
    maskValue(type.redact(JSON.parse(toJson(value, what)) as unknown), secrets);
  const write = (level: LogLevel, message: string, fields: object = {}): void => {
    if (run.isReplaying) return;
    const text = maskText(message, secrets);
    const shown = shownOf(fields, "fields of a log line") as object;
    const whose = { jobId: claimed.id, type: run.type.name, attempt: claimed.attempt };
    logger[level]({ ...shown, ...whose, ...about }, text);
    const hasFields = Object.keys(shown).length > 0;
    owner.log(level, hasFields ? `${text} ${JSON.stringify(shown)}` : text);
  };
  return {
    log: Object.fromEntries(
      LOG_LEVELS.map((level) => [
        level,
        (message: string, fields?: object) => write(level, message, fields),
      ]),
    ) as Record<LogLevel, (message: string, fields?: object) => void>,
    progress: (value) => {
      try {
        owner.progress(toJson(shownOf(value, "progress"), "progress", MAX_PROGRESS_BYTES));
      } catch (error) {
        logger.warn({ jobId: claimed.id, error: toErrorRecord(error) }, "progress not kept");
      }
    },
  };
}
