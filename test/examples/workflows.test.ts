// The samples of workflows: a tenant provisioned, or undone in reverse; a fan-out over files with a fan-in; the same
// tenant by a graph that came as data.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type RunView, graphs, openMillrace, prepareGraph } from "millrace";
import { describe, expect, test } from "vitest";
import { digestFile, digestFiles } from "../../examples/workflows/digest-files.ts";
import { provisionTenant } from "../../examples/workflows/provision-tenant.ts";
import { isAnswering, removeDatabase, tenantJobs } from "../../examples/workflows/tenant-jobs.ts";
import { scratch } from "../cli/command-line.ts";

const open = (): ReturnType<typeof openMillrace> =>
  openMillrace({
    store: "sqlite::memory:",
    jobs: [provisionTenant, digestFiles, digestFile, ...tenantJobs],
    logger: false,
  });

const runsGraphs = graphs(tenantJobs);

function stepsOf(run: RunView | null): readonly string[] {
  return (run?.steps ?? []).map(({ name, state }) => `${name} ${state}`);
}

/** Provisions a tenant, which is refused somewhere; gives the run as it is shown then. */
async function provisionInVain(
  root: string,
  faults: Readonly<Record<string, string>>,
): Promise<RunView | null> {
  await using mill = await open();
  await mill.start();
  const receipt = await mill.enqueue(provisionTenant, { root, tenant: "acme", faults });
  await expect(receipt.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
  expect(await readdir(root)).toEqual([]);
  return mill.runs.get(receipt.id);
}

describe("provisioning a tenant", () => {
  test("allocates a network, a database and a bucket, and registers it, past failures that pass", async () => {
    await using root = await scratch();
    await using mill = await open();
    await mill.start();
    const place = { root: root.path, tenant: "acme" };
    const receipt = await mill.enqueue(provisionTenant, {
      ...place,
      faults: { database: "flaky", registry: "flaky" },
    });
    const entry = await receipt.result();
    try {
      expect(await isAnswering(entry.port)).toBe(true);
      expect(JSON.parse(await readFile(join(root.path, "acme/registered.json"), "utf8"))).toEqual(
        entry,
      );
      const run = await mill.runs.get(receipt.id);
      expect(stepsOf(run)).toEqual([
        "tenant/create-network succeeded",
        "tenant/create-database succeeded",
        "tenant/create-bucket succeeded",
        "tenant/register succeeded",
      ]);
      expect(run?.steps.map(({ attempts }) => attempts)).toEqual([1, 2, 1, 2]);
      const parents = run?.steps.map((step) => step.parents.toSorted((a, b) => a - b));
      expect(parents).toEqual([[], [1], [1], [2, 3]]);
    } finally {
      await (await mill.enqueue(removeDatabase, place)).result();
    }
  });

  test("undoes in reverse what stood when the registry refused, and says so", async () => {
    await using root = await scratch();
    const run = await provisionInVain(root.path, { registry: "refused" });
    expect(run).toMatchObject({ state: "failed", notUndone: [] });
    const network = run?.steps[0]?.output as { readonly port: number } | undefined;
    expect(network?.port).toBeGreaterThan(0);
    expect(await isAnswering(network?.port ?? 0)).toBe(false);
    expect(run?.undone.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    // The network was made first, so it goes last.
    expect(run?.steps.at(-1)).toMatchObject({ type: "tenant/remove-network", undoes: 1 });
  });

  test("undoes the bucket though the database beside it was refused", async () => {
    await using root = await scratch();
    const run = await provisionInVain(root.path, { database: "refused" });
    expect(run?.undone.toSorted((a, b) => a - b)).toEqual([1, 3]);
  });
});

test("the same tenant by a graph that came as data", async () => {
  await using root = await scratch();
  await using mill = await open();
  await mill.register(runsGraphs);
  await mill.start();
  const file = new URL("../../examples/workflows/provision-tenant.json", import.meta.url);
  const graph: unknown = JSON.parse(await readFile(file, "utf8"));
  const place = { root: root.path, tenant: "acme" };
  const receipt = await mill.enqueue(runsGraphs, prepareGraph(graph, place, await mill.types()));
  try {
    const entry = await receipt.result();
    expect(entry).toMatchObject({ tenant: "acme", bucket: join(root.path, "acme/bucket") });
    expect(stepsOf(await mill.runs.get(receipt.id))).toEqual([
      "network succeeded",
      "database succeeded",
      "bucket succeeded",
      "register succeeded",
    ]);
  } finally {
    await (await mill.enqueue(removeDatabase, place)).result();
  }
});

test("a fan-out over files comes to one digest, with what failed named", async () => {
  await using root = await scratch();
  await mkdir(join(root.path, "deep"));
  const files = Array.from({ length: 120 }, (_, index) =>
    join(root.path, index % 2 === 0 ? "" : "deep", `file-${index}`),
  ).sort();
  await Promise.all(files.map((path) => writeFile(path, `content of ${path}`)));
  await using mill = await open();
  await mill.start();
  const outcome = await (await mill.enqueue(digestFiles, { directory: root.path })).result();
  const whole = createHash("sha256");
  for (const path of files) {
    const digest = createHash("sha256").update(`content of ${path}`).digest("hex");
    whole.update(`${digest}  ${path}\n`);
  }
  expect(outcome).toEqual({ files: 120, failed: [], sha256: whole.digest("hex") });
});
