// Gives a job's input back: as a handler of the thread launcher, and to a bare worker thread's owner.
import { parentPort, workerData } from "node:worker_threads";

export default ({ input }) => input;

if (workerData === "bare") {
  parentPort.on("message", (job) => parentPort.postMessage(JSON.stringify(JSON.parse(job).input)));
}
