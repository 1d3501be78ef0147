// Runs a collection for the command line: the live block or JSON, and the exit code.
import { type CollectOptions, type CollectResult, startCollection } from "../fleet/index.ts";
import { collectLines, eventLine, summaryLines } from "./collect-view.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { interruptible } from "./interrupt.ts";
import { LiveBlock } from "./live-block.ts";

/** Ten pictures a second look like motion and cost nothing that could be measured. */
const REFRESH_MS = 100;

type Sample = number | string;
type Options = CollectOptions<Sample> & { readonly parse: (line: string) => Sample | undefined };

/** Collects, tells, and gives the exit code. SIGINT or SIGTERM ends it early; a second one at once. */
export async function runCollect(
  options: Options,
  output: { readonly json?: true },
): Promise<number> {
  using interrupt = interruptible();
  const block = new LiveBlock(output.json ? process.stderr : process.stdout);
  const collection = startCollection({ ...options, signal: interrupt.signal });
  const unsubscribe = collection.subscribe((event) => {
    const line = eventLine(event);
    // On a terminal the members' own lines show crashes; what needs a hand stays to be read.
    const isTold = event.type === "degraded" || event.type === "unguarded" || !block.isTerminal;
    if (line !== undefined && isTold) block.tell(line);
  });
  const draw = (): void => block.draw(collectLines(collection.snapshot(), block.rows));
  const timer = setInterval(draw, REFRESH_MS);
  try {
    const result = await collection.result;
    clearInterval(timer);
    block.draw(collectLines(result, block.rows));
    block.end(true);
    if (output.json) console.log(JSON.stringify(result));
    else for (const line of summaryLines(result)) console.log(line);
    return interrupt.signal.aborted ? EXIT_CODES.interrupted : exitCodeFor(result);
  } finally {
    clearInterval(timer);
    unsubscribe();
  }
}

function exitCodeFor({ outcome }: CollectResult<Sample>): number {
  if (outcome === "complete") return EXIT_CODES.ok;
  return outcome === "late" ? EXIT_CODES.late : EXIT_CODES.incomplete;
}
