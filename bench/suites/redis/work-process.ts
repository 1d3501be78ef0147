// A worker in a process of its own, for cases with several.
import { reportStarts } from "./processes.ts";
import type { RedisSubject } from "./subject.ts";

const [module = "", url = "", concurrency = "1"] = process.argv.slice(2);
const { subject } = (await import(module)) as { subject: RedisSubject };
const queue = await subject.open(url);
await queue.work(Number(concurrency), reportStarts());
