// The second process of the latency measurement: sends a number of jobs, one now and then, and ends.
import { setTimeout as sleep } from "node:timers/promises";
import type { EmbeddedSubject } from "./subject.ts";
import { machineNowMs, pauseMs } from "./workload.ts";

const [name = "", path = "", count = "0"] = process.argv.slice(2);
process.once("disconnect", () => process.exit(1));

const { subject } = (await import(`./${name}.ts`)) as { subject: EmbeddedSubject };
const producer = await subject.openProducer(path);
for (let sent = 0; sent < Number(count); sent += 1) {
  await sleep(pauseMs());
  await producer.send({ sentAtMs: machineNowMs() });
}
await producer.close();
process.removeAllListeners("disconnect");
process.disconnect();
