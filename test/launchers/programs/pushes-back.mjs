// Something that every job of which pushes back: a program that speaks the process protocol, and a handler for a thread.
import { isMainThread } from "node:worker_threads";
import { retryAfter } from "millrace";

export function handler() {
  throw retryAfter("1h", "429", { pushBack: "queue" });
}

if (isMainThread) {
  console.log(JSON.stringify({ millrace: 1 }));
  const outcome = { kind: "error", message: "429", retryAfterMs: 3_600_000, pushBack: "queue" };
  process.stdin.once("data", () => {
    console.log(JSON.stringify(outcome));
    process.stdin.destroy();
  });
}
