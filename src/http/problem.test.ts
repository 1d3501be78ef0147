// Every error code has a status, and what a problem tells is bounded.
import { expect, test } from "vitest";
import { ERROR_CODES, type ErrorCode, MillraceError } from "../core/index.ts";
import { HttpProblem, STATUS_OF_CODE, explainThrown, problemDocument } from "./problem.ts";

test("every code of the error table has a status of its kind", () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    expect(STATUS_OF_CODE[code], code).toBeGreaterThanOrEqual(400);
    expect(STATUS_OF_CODE[code], code).toBeLessThan(600);
  }
});

test("a problem document names its type, title, status, detail and code", () => {
  expect(problemDocument("JOB_NOT_FOUND", { detail: "no job x" })).toEqual({
    type: "urn:millrace:problem:job-not-found",
    title: "No job with this id is kept.",
    status: 404,
    detail: "no job x",
    code: "JOB_NOT_FOUND",
  });
});

test("what the caller did wrong is told; what the service did wrong is only named", () => {
  const asked = new MillraceError("INVALID_INPUT", { message: "orderId: expected a text" });
  expect(explainThrown(asked)).toMatchObject({
    isFault: false,
    options: { detail: asked.message },
  });
  const broken = new MillraceError("STORE_FAILED", { message: "EIO on /var/lib/secret.db" });
  expect(explainThrown(broken)).toEqual({ code: "STORE_FAILED", options: {}, isFault: true });
  expect(explainThrown(new Error("boom at /srv/app"))).toEqual({
    code: "INTERNAL",
    options: {},
    isFault: true,
  });
  expect(explainThrown(new HttpProblem("NO_ROUTE"))).toMatchObject({ code: "NO_ROUTE" });
});
