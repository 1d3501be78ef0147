// Opens and closes Millrace again and again, and says what is left of it; the process must then end by itself.
import { readdirSync } from "node:fs";
import { defineJob, openMillrace } from "millrace";

const [store = "", rounds = ""] = process.argv.slice(2);
const double = defineJob({
  name: "double",
  schedule: { name: "daily", cron: "0 3 * * *", input: 1 },
  run: ({ input }) => Number(input) * 2,
});

async function useOnce(): Promise<void> {
  const mill = await openMillrace({ store, jobs: [double], logger: false });
  await using following = await mill.subscribe({}, () => {});
  // Started twice and stopped at once, by several callers: none of it may leave anything behind.
  await Promise.all([mill.start(), mill.start(double)]);
  const receipt = await mill.enqueue(double, 21);
  if ((await receipt.result({ timeout: "60s" })) !== 42) throw new Error("not doubled");
  const unfinished = mill.enqueue(double, 1, { delay: "1h" }).then((late) => late.result());
  unfinished.catch(() => {});
  await Promise.all([mill.stop(), mill.stop(), mill.start(), mill.stop(double)]);
  await following[Symbol.asyncDispose]();
  await Promise.all([mill.close(), mill.close()]);
}

/** Open files and threads where the system tells them, and what keeps the event loop alive. */
function holds(): readonly string[] {
  const counted = process.platform === "linux" ? ["fd", "task"] : [];
  return [
    ...counted.map((kind) => `${kind} ${readdirSync(`/proc/self/${kind}`).length}`),
    ...process.getActiveResourcesInfo(),
  ];
}

// The first time loads modules and starts what Node shares between threads.
await useOnce();
const before = holds();
for (let round = 1; round < Number(rounds); round += 1) await useOnce();
console.log(JSON.stringify({ before, after: holds() }));
