// What `npm start` runs in this repository: a job service and a worker with the sample job types.
import { defineConfig, graphs } from "millrace";
import { checkPage } from "./examples/jobs/check-page.ts";
import { hashTree } from "./examples/jobs/hash-tree.ts";
import { sleep } from "./examples/jobs/sleep.ts";
import { approval } from "./examples/workflows/approval.ts";
import { digestFile, digestFiles } from "./examples/workflows/digest-files.ts";
import { provisionTenant } from "./examples/workflows/provision-tenant.ts";
import { tenantJobs } from "./examples/workflows/tenant-jobs.ts";

const jobs = [sleep, hashTree, checkPage, digestFile, ...tenantJobs];
const store = process.env["MILLRACE_STORE"] ?? "sqlite:millrace.db";
// The BullMQ store keeps no workflows: there the samples are jobs alone.
const workflows = store.startsWith("bullmq")
  ? []
  : [provisionTenant, digestFiles, approval, graphs(jobs)];

export default defineConfig({
  store,
  jobs: [...jobs, ...workflows],
  http: { host: "127.0.0.1", port: 8000 },
});
