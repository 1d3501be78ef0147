// A worker in a process of its own, for cases with several: tells how many jobs it has begun, now and then.
import type { RedisSubject } from "./subject.ts";

/** Jobs between two reports: few enough to take a pace by, too many to weigh. */
const REPORT_EVERY = 250;

const [module = "", url = "", concurrency = "1"] = process.argv.slice(2);
process.once("disconnect", () => process.exit(0));

const { subject } = (await import(module)) as { subject: RedisSubject };
const queue = await subject.open(url);
let count = 0;
await queue.work(Number(concurrency), () => {
  count += 1;
  if (count % REPORT_EVERY === 0) process.send?.(count);
});
