// Why a job that waits was not moved to another queue: its state, which is all that a store replies, is not the reason.
import type { Operations } from "../runtime/index.ts";
import { clean } from "./output.ts";

/** Jobs that no order takes out of their queue. */
export const STAYING =
  "parts of workflows, unique and debounced jobs, and jobs that count under the keys of limits stay in their queue";

/** Of jobs that wait and did not move. The last says what may be so, since only the store knows which it is. */
export async function whyUnmoved(
  operations: Pick<Operations, "job" | "queues">,
  id: string,
  queue: string,
): Promise<string> {
  if ((await operations.job(id))?.queue === queue) return `it is in ${clean(queue)} already`;
  const to = (await operations.queues()).find(({ name }) => name === queue);
  if ((to?.draining ?? null) !== null) {
    return `${clean(queue)} drains and takes nothing in until millrace resume ${clean(queue)}`;
  }
  return STAYING;
}
