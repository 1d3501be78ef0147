// A worker that writes down what it runs. It begins when it is told to, so that nobody is done before all have begun.
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { createLogger, defineJob, openMillrace, silentLogger } from "millrace";

const [store = "", tally = ""] = process.argv.slice(2);
const lines = createLogger();
const told = once(process.stdin, "data");
let hasOne = false;

const count = defineJob({
  name: "count",
  run: async ({ job }) => {
    if (!hasOne) lines.info({}, "has a job");
    hasOne = true;
    await told;
    appendFileSync(tally, `${job.id}\n`);
  },
});

const mill = await openMillrace({ store, jobs: [count], logger: silentLogger });
await mill.start();
