// What `npm start` runs in this repository: a job service and a worker with the sample job types.
import { defineConfig } from "millrace";
import { checkPage } from "./examples/jobs/check-page.ts";
import { hashTree } from "./examples/jobs/hash-tree.ts";
import { sleep } from "./examples/jobs/sleep.ts";

export default defineConfig({
  store: "sqlite:millrace.db",
  jobs: [sleep, hashTree, checkPage],
  http: { host: "127.0.0.1", port: 8000 },
});
