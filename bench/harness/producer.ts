// The second process of the latency measurement: sends a number of jobs, one now and then, and ends.
import { setTimeout as sleep } from "node:timers/promises";
import { type Producer, machineNowMs, pauseMs } from "./two-processes.ts";

const [module = "", address = "", count = "0"] = process.argv.slice(2);
process.once("disconnect", () => process.exit(1));

const { subject } = (await import(module)) as {
  subject: { openProducer(address: string): Promise<Producer> };
};
const producer = await subject.openProducer(address);
for (let sent = 0; sent < Number(count); sent += 1) {
  await sleep(pauseMs());
  await producer.send({ sentAtMs: machineNowMs() });
}
await producer.close();
process.removeAllListeners("disconnect");
process.disconnect();
