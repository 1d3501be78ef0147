// The one place where store errors are logged, whoever made the call, in one form.
import { type ErrorCode, isMillraceError, toErrorRecord } from "../../core/errors.ts";
import type { Store } from "../../core/store.ts";
import type { Logger } from "./logger.ts";
import { Repeats } from "./repeats.ts";

/** What a store says in an outage, to everyone: where in the program it was asked says nothing of it. */
const EXPECTED: ReadonlySet<ErrorCode> = new Set(["STORE_FULL", "STORE_BUSY"]);

/** A store whose failures are logged. */
export interface LoggedStore {
  readonly store: Store;
  /** Logs what was counted and not yet told. */
  readonly flush: () => void;
}

/**
 * A store whose every failure is logged as `{ op, error }, "store error"` before the caller is told. What it says in an
 * outage (`STORE_FULL`, `STORE_BUSY`) is logged without a stack, and counted as `repeated` where it comes often. What the
 * caller did wrong (`INVALID_ARGUMENT` and the like) is the caller's to log. A call that was on its way when Millrace
 * itself was closed, and finds the store closed, is no failure: nobody waits for it.
 */
export function loggedStore(store: Store, logger: Logger, isClosed: () => boolean): LoggedStore {
  const repeats = new Repeats();
  const logged = new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function" || name === "close") {
        return typeof member === "function" ? member.bind(target) : member;
      }
      return async (...request: readonly unknown[]): Promise<unknown> => {
        const isLate = isClosed();
        try {
          return await Reflect.apply(member, target, request);
        } catch (error) {
          const isOvertaken = !isLate && isClosed();
          const isExpected = isOvertaken && isMillraceError(error) && error.code === "STORE_CLOSED";
          if (!isExpected) logStoreError(logger, String(name), error, repeats);
          throw error;
        }
      };
    },
  });
  return { store: logged, flush: () => repeats.flush() };
}

/** Logs a store's failure, unless the error is about what the caller asked. */
export function logStoreError(logger: Logger, op: string, error: unknown, repeats: Repeats): void {
  if (isMillraceError(error) && !error.code.startsWith("STORE_")) return;
  if (isMillraceError(error) && EXPECTED.has(error.code)) {
    const { name, code, message } = error;
    return repeats.tell(`${op} ${code}`, (repeated) => {
      const fields = { op, error: { name, message, code } };
      logger.error(repeated === undefined ? fields : { ...fields, repeated }, "store error");
    });
  }
  logger.error({ op, error: toErrorRecord(error) }, "store error");
}
