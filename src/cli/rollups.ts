// The roll-ups that a config declares: kept running beside a worker, and told of in its log.
import { toErrorRecord } from "../core/index.ts";
import type { Logger } from "../runtime/index.ts";
import { Aggregator, type AggregatorNotice, type AggregatorOptions } from "../rollup/index.ts";

/** Starts every aggregator; the function it gives delivers what is open and stops them all. */
export async function openRollups(
  rollups: Readonly<Record<string, AggregatorOptions>>,
  logger: Logger,
): Promise<() => Promise<void>> {
  const opened = Object.entries(rollups).map(
    ([name, options]) =>
      new Aggregator({
        ...options,
        notify: (notice) => {
          logNotice(name, notice, logger);
          options.notify?.(notice);
        },
      }),
  );
  const stop = async (): Promise<void> => {
    await Promise.all(opened.map((aggregator) => aggregator.stop()));
  };
  try {
    for (const aggregator of opened) await aggregator.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

/** What is lost is an error, what mends itself a warning. */
function logNotice(rollup: string, notice: AggregatorNotice, logger: Logger): void {
  switch (notice.kind) {
    case "connected":
      logger.info({ rollup, gapMs: notice.gapMs }, "rollup: connected");
      break;
    case "disconnected": {
      const { kind: _kind, ...loss } = notice;
      logger.warn({ rollup, ...loss }, "rollup: disconnected");
      break;
    }
    case "window": {
      const { rows: _rows, ...window } = notice.window;
      logger.info({ rollup, ...window }, "rollup: window");
      break;
    }
    case "report":
      logReport(rollup, notice, logger);
      break;
  }
}

function logReport(
  rollup: string,
  { fate, sequence, error }: Extract<AggregatorNotice, { kind: "report" }>,
  logger: Logger,
): void {
  const fields = {
    rollup,
    sequence,
    fate,
    ...(error === undefined ? {} : { error: toErrorRecord(error) }),
  };
  if (fate === "dropped") logger.error(fields, "rollup: report");
  else if (fate === "delivered") logger.debug(fields, "rollup: report");
  else logger.warn(fields, "rollup: report");
}
