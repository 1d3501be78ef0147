// `millrace move`: takes what waits from one store to another.
import { Presets, SingleBar } from "cli-progress";
import type { Command } from "commander";
import type { MoveReport } from "../../runtime/index.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { interruptible } from "../interrupt.ts";
import { print, printJson } from "../output.ts";

interface MoveCommandOptions {
  readonly from: string;
  readonly to: string;
  readonly namespace: string;
  readonly toNamespace?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** How often the progress is told where there is no terminal to draw on. */
const TELL_EVERY_MS = 2_000;

/** Registers `move`. */
export function registerMove(program: Command): void {
  program
    .command("move")
    .description("move jobs that wait from one store to another, ids kept")
    .requiredOption("--from <url>", "the store that has them")
    .requiredOption("--to <url>", "the store that they go to")
    .option("--namespace <name>", "namespace in both stores", "default")
    .option("--to-namespace <name>", "namespace in the second store, where it is another")
    .option("--dry-run", "count what would be moved, and change nothing")
    .option("--json", "print the outcome as one JSON document")
    .addHelpText(
      "after",
      `
Queues of the first store are paused meanwhile. A move that was cut off, by a crash too, is simply repeated: nothing is
lost and nothing is run twice. Until then its queues stay paused.

Example:
  $ millrace move --from bullmq+redis://127.0.0.1:6379 --to redis://127.0.0.1:6379 --dry-run`,
    )
    .action(async (options: MoveCommandOptions) => {
      process.exitCode = await move(options);
    });
}

async function move(options: MoveCommandOptions): Promise<number> {
  const { moveBetween } = await import("../../runtime/index.ts");
  using interrupt = interruptible();
  const view = process.stderr.isTTY ? barView() : lineView();
  try {
    const report = await moveBetween({
      from: { url: options.from, namespace: options.namespace },
      to: { url: options.to, namespace: options.toNamespace ?? options.namespace },
      isDryRun: options.dryRun === true,
      signal: interrupt.signal,
      onProgress: view.show,
    });
    view.end();
    if (options.json === true) printJson(report);
    else print(...describe(report, interrupt.signal.aborted));
    return interrupt.signal.aborted ? EXIT_CODES.interrupted : EXIT_CODES.ok;
  } finally {
    view.end();
  }
}

interface View {
  readonly show: (report: MoveReport) => void;
  readonly end: () => void;
}

function barView(): View {
  const bar = new SingleBar(
    { format: "moving {bar} {value} of {total} jobs, {eta_formatted} left", hideCursor: true },
    Presets.shades_classic,
  );
  let isStarted = false;
  return {
    show: ({ total, moved, left }) => {
      if (!isStarted) bar.start(total, 0);
      isStarted = true;
      bar.update(moved + left);
    },
    end: () => bar.stop(),
  };
}

function lineView(): View {
  let toldAtMs = performance.now();
  return {
    show: ({ total, moved, left }) => {
      if (performance.now() - toldAtMs < TELL_EVERY_MS) return;
      toldAtMs = performance.now();
      process.stderr.write(`${moved + left} of ${total} jobs\n`);
    },
    end: () => {},
  };
}

function describe(
  { total, moved, known, left, running, isDryRun }: MoveReport,
  isStopped: boolean,
): readonly string[] {
  // Without a stop they may be fewer as well: jobs that were cancelled or, beside a dry run, begun meanwhile.
  const unseen = isStopped ? total - moved - left : 0;
  return [
    isDryRun ? `${moved} jobs would be moved` : `${moved} jobs moved`,
    ...(unseen > 0 ? [`stopped before the end: ${unseen} jobs still wait where they were`] : []),
    ...(known === 0 ? [] : [`${known} of them were there already, from a move that was cut off`]),
    ...(left === 0
      ? []
      : [`${left} jobs stay: they belong to a workflow, a flow or a job scheduler`]),
    ...(running === 0
      ? []
      : [`${running} jobs were running and end where they are; move again for what they leave`]),
  ];
}
