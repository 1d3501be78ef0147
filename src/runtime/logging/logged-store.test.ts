// What is logged of a store that closes: by Millrace's own end nothing, under an open Millrace an error.
import { expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { Store } from "../../core/store.ts";
import { openMillrace } from "../../millrace/index.ts";
import { openStore } from "../open-store.ts";
import { type Logger, silentLogger } from "./logger.ts";

const brief = defineJob({ name: "brief", run: () => "done" });

interface Held {
  readonly store: Store;
  /** Lets the looks go on, and gives how each ended. */
  readonly letThrough: () => Promise<readonly PromiseSettledResult<unknown>[]>;
}

/** A store whose looks at jobs stay on their way until they are let through. */
function withHeldLooks(store: Store): Held {
  const open = Promise.withResolvers<void>();
  const looks: Promise<unknown>[] = [];
  const get: Store["get"] = (request) => {
    const look = open.promise.then(() => store.get(request));
    looks.push(look);
    return look;
  };
  return {
    store: new Proxy(store, {
      get: (target, name) => {
        if (name === "get") return get;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    }),
    letThrough: () => {
      open.resolve();
      return Promise.allSettled(looks);
    },
  };
}

function withErrors(): { readonly logger: Logger; readonly errors: unknown[] } {
  const errors: unknown[] = [];
  return { logger: { ...silentLogger, error: (fields) => void errors.push(fields) }, errors };
}

test("a look that Millrace's own end overtakes is logged as no error of the store", async () => {
  const opened = await openStore({ url: "memory:", namespace: "default" });
  const { store, letThrough } = withHeldLooks(opened);
  const { logger, errors } = withErrors();
  const mill = await openMillrace({ store, jobs: [brief], logger });
  const receipt = await mill.enqueue(brief, null);
  const result = receipt.result();
  await mill.start();
  expect(await result).toBe("done");
  await mill.close();
  await opened.close();
  const looks = await letThrough();
  expect(looks).toMatchObject([{ status: "rejected", reason: { code: "STORE_CLOSED" } }]);
  expect(errors).toEqual([]);
});

test("a store that closes under an open Millrace is logged", async () => {
  const opened = await openStore({ url: "memory:", namespace: "default" });
  const { logger, errors } = withErrors();
  await using mill = await openMillrace({ store: opened, jobs: [brief], logger });
  await opened.close();
  await expect(mill.enqueue(brief, null)).rejects.toMatchObject({ code: "STORE_CLOSED" });
  expect(errors).toMatchObject([{ op: "enqueue", error: { code: "STORE_CLOSED" } }]);
});
