// Runs the aggregator for the command line: the live view or JSON lines, metrics, and the end by signal.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MillraceError, toErrorRecord } from "../core/index.ts";
import {
  Aggregator,
  aggregatorMetrics,
  type AggregatorNotice,
  type AggregatorOptions,
  METRICS_CONTENT_TYPE,
} from "../rollup/index.ts";
import { interruptible } from "./interrupt.ts";
import { LiveView, noticeLine } from "./rollup-view.ts";

/** Runs until SIGINT or SIGTERM, then delivers what is open. */
export async function runRollup(
  options: AggregatorOptions,
  output: { readonly json?: true; readonly metricsPort?: number },
): Promise<void> {
  const view = output.json ? undefined : new LiveView(process.stdout);
  const aggregator = new Aggregator({
    ...options,
    notify: (notice) => {
      if (output.json) console.log(JSON.stringify(toPlain(notice)));
      else view?.tell(noticeLine(notice));
    },
  });
  const closeMetrics = await serveMetrics(aggregator, output.metricsPort, (line) => {
    if (output.json) console.error(line);
    else view?.tell(line);
  });
  using interrupt = interruptible();
  const ended = once(interrupt.signal, "abort");
  try {
    await aggregator.start();
    view?.start(aggregator);
    await ended;
    await aggregator.stop();
  } finally {
    // Left open, it would keep the process after an error.
    view?.stop();
    await closeMetrics();
  }
}

/** A notice as JSON: errors as their messages, a window with its rows under the name that reports have. */
function toPlain(notice: AggregatorNotice): unknown {
  if (notice.kind === "window") {
    const { rows, ...window } = notice.window;
    return { kind: "window", ...window, report: [...rows()] };
  }
  if (notice.kind === "report" && notice.error !== undefined) {
    const { error } = notice;
    return { ...notice, error: toErrorRecord(error).message };
  }
  return notice;
}

/** Serves `/metrics` on loopback; the answer closes it. */
async function serveMetrics(
  aggregator: Aggregator,
  port: number | undefined,
  tell: (line: string) => void,
): Promise<() => Promise<void>> {
  if (port === undefined) return async () => {};
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": METRICS_CONTENT_TYPE });
    response.end(aggregatorMetrics(aggregator.stats()));
  });
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `can't serve metrics on port ${port}: ${toErrorRecord(cause).message}. Choose another by --metrics-port; 0 takes a free one`,
      cause,
    });
  }
  tell(`metrics at http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
