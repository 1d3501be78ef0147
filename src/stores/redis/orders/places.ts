// Where jobs stand that wait for a worker, over all partitions of their queue.
import type { JobId } from "../../../core/ids.ts";
import type { JobPlace, PlacesRequest } from "../../../core/store.ts";
import { rankOf } from "../../../core/transitions.ts";
import type { Context } from "../context.ts";
import { writeKeys } from "../flow/limit-keys.ts";
import { findJobs } from "../reading.ts";
import { COUNT_AHEAD, MAX_COUNTED_AHEAD } from "../scripts/places.ts";
import { Arguments } from "../link/wire.ts";

/** The places of jobs, in the order of the ids; `null` for one that is not ready. */
export async function readPlaces(
  context: Context,
  { ids, takers }: PlacesRequest,
): Promise<readonly (JobPlace | null)[]> {
  const jobs = await findJobs(context, ids);
  const ready = jobs.filter((job) => job?.record.state === "ready");
  const queues = new Set(ready.flatMap((job) => (job === null ? [] : [job.record.queue])));
  const ahead = new Map<JobId, number>();
  await Promise.all(
    [...queues].map(async (queue) => {
      const own = ready.filter((job) => job?.record.queue === queue);
      const args = new Arguments().text(takers === undefined ? "" : JSON.stringify(takers));
      for (const job of own) {
        if (job === null) continue;
        const { id, keys } = job.record;
        args.number(rankOf(job.record)).id(id).text(writeKeys(keys));
      }
      const rooms = await context.rooms.ofQueue(queue);
      const counts = await Promise.all(
        rooms.map((room) => context.link.call(COUNT_AHEAD, room.keys, args)),
      );
      for (const [index, job] of own.entries()) {
        const sum = counts.reduce((total, reply) => total + Number(reply[index]), 0);
        if (job !== null) ahead.set(job.record.id, Math.min(sum, MAX_COUNTED_AHEAD));
      }
    }),
  );
  return jobs.map((job) => {
    const before = job === null ? undefined : ahead.get(job.record.id);
    if (job === null || before === undefined) return null;
    const { company } = job.lane;
    return { ahead: before, company: company === 0 ? null : company };
  });
}
