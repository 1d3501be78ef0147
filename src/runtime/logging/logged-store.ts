// The one place where store errors are logged, whoever made the call, in one form.
import { isMillraceError, toErrorRecord } from "../../core/errors.ts";
import type { Store } from "../../core/store.ts";
import type { Logger } from "./logger.ts";

/**
 * A store whose every failure is logged as `{ op, error }, "store error"` before the caller is told. What the caller
 * did wrong (`INVALID_ARGUMENT` and the like) is the caller's to log. A call that was on its way when Millrace itself was
 * closed, and finds the store closed, is no failure: nobody waits for it.
 */
export function loggedStore(store: Store, logger: Logger, isClosed: () => boolean): Store {
  return new Proxy(store, {
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
          if (!isExpected) logStoreError(logger, String(name), error);
          throw error;
        }
      };
    },
  });
}

/** Logs a store's failure, unless the error is about what the caller asked. */
export function logStoreError(logger: Logger, op: string, error: unknown): void {
  if (isMillraceError(error) && !error.code.startsWith("STORE_")) return;
  logger.error({ op, error: toErrorRecord(error) }, "store error");
}
