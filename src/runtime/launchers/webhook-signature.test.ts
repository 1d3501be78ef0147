// Signatures of calls to other services.
import { describe, expect, test } from "vitest";
import { readSecret, signWebhook, verifyWebhook } from "./webhook-signature.ts";

// The example of the Standard Webhooks specification.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const parts = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  atMs: 1_614_265_330_000,
  body: '{"test": 2432232314}',
};

describe("a webhook signature", () => {
  test("is that of the specification's example", () => {
    expect(signWebhook(readSecret(secret), parts)["webhook-signature"]).toBe(
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );
  });

  test("is accepted with its secret, body and time, and with nothing else", () => {
    const headers = { ...signWebhook(readSecret(secret), parts) };
    const verify = (change: { body?: string; atMs?: number; headers?: object }): (() => void) => {
      const given = { ...headers, ...change.headers } as Record<string, string>;
      return () => {
        verifyWebhook(secret, given, change.body ?? parts.body, change.atMs ?? parts.atMs);
      };
    };
    expect(verify({})).not.toThrow();
    expect(
      verify({ headers: { "webhook-signature": `v1,AAAA ${headers["webhook-signature"]}` } }),
    ).not.toThrow();
    expect(verify({ body: "{}" })).toThrow(/does not fit/);
    expect(verify({ atMs: parts.atMs + 3_600_000 })).toThrow(/five minutes/);
    expect(verify({ headers: { "webhook-timestamp": "soon" } })).toThrow(/five minutes/);
    expect(verify({ headers: { "webhook-signature": "" } })).toThrow(/missing/);
  });

  test("needs a secret of the right form", () => {
    expect(() => readSecret("hunter2")).toThrow(/whsec_/);
  });
});
