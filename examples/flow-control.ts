// Flow control, one job type for each: limits by key (one or several) with fair turns, rates that push back, uniqueness, debounce, batches.
import { defineJob, openMillrace, retryAfter } from "millrace";
import { z } from "zod";

/** Imports of one customer never hold up another's: keys take turns, and of each at most two run, on all workers. */
export const importFile = defineJob({
  name: "import-file",
  input: z.object({ customer: z.string(), file: z.string() }),
  limits: [{ name: "customer", key: "customer", concurrency: 2 }, { concurrency: 10 }],
  run: ({ input }) => `${input.customer}: ${input.file}`,
});

/** The provider takes 100 calls a second. When it says that this was too much, the whole queue waits. */
export const callProvider = defineJob({
  name: "call-provider",
  input: z.object({ path: z.string() }),
  limits: [{ rate: "100/s" }],
  retry: { attempts: 5 },
  async run({ input, job }) {
    // A first answer such as a busy provider gives: 429, retry after 50 ms.
    if (input.path === "/busy" && job.attempt === 1) {
      throw retryAfter("50ms", "429 Too Many Requests", { pushBack: "queue" });
    }
    return `called ${input.path}`;
  },
});

/** A report of an account is made once, however many ask for it while it is under way. */
export const buildReport = defineJob({
  name: "build-report",
  input: z.object({ account: z.string(), askedBy: z.string() }),
  unique: { by: ["account"] },
  run: ({ input }) => `report of ${input.account}`,
});

/** An index follows a document when nobody changed it for a moment, and after a second at the latest. */
export const indexDocument = defineJob({
  name: "index-document",
  input: z.object({ document: z.string(), version: z.number() }),
  debounce: { by: ["document"], wait: "100ms", longest: "1s" },
  run: ({ input }) => input.version,
});

/** A newsletter goes to nobody twice within a day. */
export const sendNewsletter = defineJob({
  name: "send-newsletter",
  input: z.object({ to: z.string() }),
  throttle: { by: ["to"], per: "24h" },
  run: ({ input }) => input.to,
});

/** A preview of a page: while one is being made, another is not begun, but dropped. */
export const renderPreview = defineJob({
  name: "render-preview",
  input: z.object({ page: z.string() }),
  limits: [{ name: "page", key: "page", concurrency: 1, onLimit: "drop-new" }],
  run: ({ input }) => input.page,
});

/** A shop's stock is read by one at a time, the newest who asked; and five at once ask the shops of a region. */
export const readStock = defineJob({
  name: "read-stock",
  input: z.object({ shop: z.string(), region: z.string() }),
  limits: [
    { name: "shop", key: "shop", concurrency: 1, onLimit: "cancel-oldest" },
    { name: "region", key: "region", concurrency: 5 },
  ],
  run: ({ input }) => `stock of ${input.shop}`,
});

/** Rows are written by fifty in one call, or by as many as came within 20 ms; a bad one fails alone. */
export const writeRow = defineJob({
  name: "write-row",
  input: z.object({ table: z.string(), value: z.number() }),
  batch: {
    size: 50,
    within: "20ms",
    by: ({ table }) => table,
    run: ({ jobs }) =>
      jobs.map(({ input }) =>
        input.value < 0 ? new Error("a row is never negative") : jobs.length,
      ),
  },
});

/** Runs all of them once, and tells what became of each. */
export async function runFlowControl(store: string): Promise<Readonly<Record<string, unknown>>> {
  await using mill = await openMillrace({
    store,
    logger: false,
    worker: { concurrency: 60 },
    jobs: [
      importFile,
      callProvider,
      buildReport,
      indexDocument,
      sendNewsletter,
      renderPreview,
      readStock,
      writeRow,
    ],
  });
  const reports = await Promise.all(
    ["ada", "bob", "cy"].map((askedBy) => mill.enqueue(buildReport, { account: "a-1", askedBy })),
  );
  const documents = [];
  for (const version of [1, 2, 3]) {
    documents.push(await mill.enqueue(indexDocument, { document: "d-1", version }));
  }
  const letters = await Promise.all(
    [1, 2].map(() => mill.enqueue(sendNewsletter, { to: "ada@example.com" })),
  );
  const previews = [
    await mill.enqueue(renderPreview, { page: "p-1" }),
    await mill.enqueue(renderPreview, { page: "p-1" }),
  ];
  const [older, newer] = [
    await mill.enqueue(readStock, { shop: "s-1", region: "eu" }),
    await mill.enqueue(readStock, { shop: "s-1", region: "eu" }),
  ];
  const rows = await mill.enqueueMany(
    writeRow,
    [1, 2, -1].map((value) => ({ table: "t", value })),
    { retention: { failed: "1h" } },
  );
  const file = await mill.enqueue(importFile, { customer: "acme", file: "a.csv" });
  const call = await mill.enqueue(callProvider, { path: "/busy" });
  // An operator's change: it holds for all workers within a second, and until it is taken back.
  await mill.setLimit("import-file", { name: "customer", concurrency: 4, by: "ada" });
  await mill.start();
  return {
    reports: new Set(reports.map(({ id }) => id)).size,
    newReports: reports.filter(({ isNew }) => isNew).length,
    report: await reports[2]?.result(),
    indexedVersion: await documents[0]?.result(),
    letters: letters.filter(({ isNew }) => isNew).length,
    previews: previews.map(({ because = "new" }) => because),
    stock: [(await mill.wait(older.id))?.state, await newer.result()],
    rowsInBatch: await rows[0]?.result(),
    imported: await file.result(),
    called: await call.result(),
    limits: (await mill.limits({ queue: "import-file" })).map(
      ({ name, concurrency }) => `${name}: ${concurrency}`,
    ),
  };
}

if (import.meta.main) console.log(await runFlowControl("memory:"));
