// What operators do: ask why a job waits, place it by labels, let one go first, bring dead letters back, change many, pause and drain.
import { type Millrace, defineJob, fatal, isMillraceError, openMillrace, orderAll } from "millrace";
import { z } from "zod";

/** Needs a machine with a graphics card: only workers that offer `gpu` take it. */
export const renderVideo = defineJob({
  name: "render-video",
  input: z.object({ video: z.string() }),
  labels: ["gpu"],
  run: ({ input }) => `${input.video}.mp4`,
});

const sent: string[] = [];

/** Fails for good where the address is wrong, and stays as a dead letter. */
export const sendMail = defineJob({
  name: "send-mail",
  input: z.object({ to: z.string(), customer: z.string() }),
  concurrency: 1,
  run({ input }) {
    if (!input.to.includes("@")) throw fatal(`no mailbox "${input.to}"`);
    sent.push(input.to);
    return input.to;
  },
});

/** A job that nobody can take says so, until a worker with its labels comes. */
async function placeByLabels(mill: Millrace, store: string): Promise<object> {
  const receipt = await mill.enqueue(renderVideo, { video: "intro" });
  const before = await mill.why(receipt.id);
  await using gpuWorker = await openMillrace({
    store,
    jobs: [renderVideo],
    logger: false,
    worker: { labels: ["gpu", "region=eu"] },
  });
  await gpuWorker.start();
  return { why: before?.reasons[0]?.kind, rendered: await receipt.result() };
}

/** Everything waits at a paused queue; then it starts by priority, and by age where that is the same. */
async function letOneGoFirst(mill: Millrace): Promise<object> {
  await mill.pause("send-mail", { by: "ada", reason: "the mail server moves" });
  const usual = await mill.enqueue(sendMail, { to: "usual@example.com", customer: "acme" });
  const urgent = await mill.enqueue(
    sendMail,
    { to: "urgent@example.com", customer: "acme" },
    { priority: 10 },
  );
  const why = await mill.why(usual.id);
  await mill.resume("send-mail", { by: "ada" });
  await Promise.all([usual.result(), urgent.result()]);
  return { why: why?.reasons[0]?.kind, order: sent.slice(-2) };
}

/** Jobs that failed for good: one comes back with another input, the others all at once, after a look at them. */
async function bringDeadLettersBack(mill: Millrace): Promise<object> {
  const wrong = await mill.enqueueMany(
    sendMail,
    ["ada", "bob", "cy"].map((to) => ({ to, customer: to === "ada" ? "acme" : "initech" })),
  );
  await Promise.all(wrong.map(({ id }) => mill.wait(id)));
  const [first] = wrong;
  if (first === undefined) throw new Error("nothing was enqueued");
  const input = { to: "ada@example.com", customer: "acme" };
  await mill.order([first.id], { kind: "retry", input });
  const replayed = await mill.wait(first.id);

  // The same error of another customer: found by its fingerprint and by a field of the input.
  const fingerprint = (await mill.job(wrong[1]?.id ?? first.id))?.errorFingerprint ?? "";
  const select = {
    states: ["failed"],
    error: fingerprint,
    input: { customer: "initech" },
  } as const;
  const order = { kind: "retry", rate: 50 } as const;
  const dryRun = await mill.orderMatching({ select, order, dryRun: true });
  let changed = 0;
  for await (const totals of orderAll(mill, { select, order })) changed = totals.changed;
  await Promise.all(wrong.slice(1).map(({ id }) => mill.wait(id)));
  return {
    replayed: replayed?.state,
    matched: dryRun.matched,
    notIndexed: dryRun.unindexed,
    changed,
  };
}

/** Jobs that wait, found by their tag: first, later, elsewhere, not at all. A dry run of each would count them before. */
async function changeMany(mill: Millrace): Promise<object> {
  const mails = ["ada", "bob", "cy"].map((to) => ({ to: `${to}@example.com`, customer: "acme" }));
  await mill.enqueueMany(sendMail, mails, { tags: ["campaign"], delay: "1h" });
  const orders = [
    { kind: "prioritize", priority: 5 },
    { kind: "reschedule", delay: "2h" },
    { kind: "move", queue: "mail-in-bulk" },
    { kind: "cancel", reason: "the campaign is off" },
    { kind: "remove" },
  ] as const;
  const counts: Record<string, number> = {};
  for (const order of orders) {
    const { changed } = await mill.orderMatching({ select: { tag: "campaign" }, order });
    counts[order.kind] = changed;
  }
  return counts;
}

/** A queue that is to be emptied takes nothing new in; what it has runs out. */
async function drainForGood(mill: Millrace): Promise<unknown> {
  await mill.drain("send-mail", { by: "ada", reason: "mail goes another way from now on" });
  try {
    await mill.enqueue(sendMail, { to: "late@example.com", customer: "acme" });
    return "was taken in";
  } catch (error) {
    return isMillraceError(error, "QUEUE_DRAINING") ? "refused" : error;
  } finally {
    await mill.resume("send-mail", { by: "ada" });
  }
}

/** Does all of it once, and tells what came of it. */
export async function runOperators(store: string): Promise<Readonly<Record<string, unknown>>> {
  sent.length = 0;
  await using mill = await openMillrace({
    store,
    logger: false,
    jobs: [renderVideo, sendMail],
  });
  await mill.start();
  const told = {
    placed: await placeByLabels(mill, store),
    first: await letOneGoFirst(mill),
    deadLetters: await bringDeadLettersBack(mill),
    changed: await changeMany(mill),
    drained: await drainForGood(mill),
  };
  // Errors are counted by the minute: what this process counted is written when it stops.
  await mill.stop();
  const errors = await mill.errors();
  return { ...told, errors: errors.map(({ title, count }) => `${count} x ${title}`) };
}

if (import.meta.main) {
  const [store = "sqlite:operators.db"] = process.argv.slice(2);
  console.log(await runOperators(store));
}
