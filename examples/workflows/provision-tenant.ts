// Provisioning a tenant: a network, then a database and a bucket side by side, then the registration. What fails for
// good is undone in reverse.
import { defineWorkflow } from "millrace";
import { z } from "zod";
import {
  createBucket,
  createDatabase,
  createNetwork,
  register,
  removeBucket,
  removeDatabase,
  removeNetwork,
} from "./tenant-jobs.ts";

const fault = z.enum(["none", "flaky", "refused"]).default("none");

export const provisionTenant = defineWorkflow({
  name: "provision-tenant",
  input: z.object({
    root: z.string(),
    tenant: z.string(),
    /** What goes wrong where, to see what becomes of it. */
    faults: z.object({ database: fault, bucket: fault, registry: fault }).partial().default({}),
  }),
  deadline: "10m",
  async run({ input, step }) {
    const { root, tenant, faults } = input;
    const place = { root, tenant };

    const network = await step.job(createNetwork, place, {
      undo: { job: removeNetwork, input: () => place },
    });
    const [database, bucket] = await Promise.all([
      step.job(
        createDatabase,
        { ...place, port: network.port, fault: faults.database },
        { undo: { job: removeDatabase, input: () => place } },
      ),
      step.job(
        createBucket,
        { ...place, fault: faults.bucket },
        { undo: { job: removeBucket, input: () => place } },
      ),
    ]);
    return step.job(register, {
      ...place,
      port: database.port,
      bucket: bucket.path,
      fault: faults.registry,
    });
  },
});
