// What answers that are no problem documents mean: something between the client and the service gave them.
import { expect, test } from "vitest";
import { toError } from "./send.ts";

test("a proxy that can't reach the service is told as such, and a service's own problem by its code", () => {
  const codes = [502, 503, 504, 500, 404].map((status) => toError(status, "<html>").code);
  expect(codes).toEqual([
    "SERVICE_UNREACHABLE",
    "SERVICE_UNREACHABLE",
    "SERVICE_UNREACHABLE",
    "STORE_FAILED",
    "INVALID_ARGUMENT",
  ]);
  expect(toError(503, JSON.stringify({ code: "STORE_BUSY", detail: "wait" }))).toMatchObject({
    code: "STORE_BUSY",
    message: "wait",
  });
});
