// The aggregator's figures in the text format that Prometheus reads.
import type { AggregatorStats } from "./aggregator-options.ts";

interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** One value, or one for each value of a label. */
  readonly value:
    | number
    | { readonly label: string; readonly values: Readonly<Record<string, number>> };
}

/** The content type of the text, for an HTTP answer. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * The figures as text for Prometheus. Labels are closed lists (reasons and kinds), never ids, so that the
 * number of series is fixed.
 *
 * @example http.createServer((_, response) => response.end(aggregatorMetrics(aggregator.stats())));
 */
export function aggregatorMetrics(stats: AggregatorStats): string {
  return metricsOf(stats)
    .map(({ name, type, help, value }) => {
      const full = `millrace_rollup_${name}`;
      const lines =
        typeof value === "number"
          ? [`${full} ${value}`]
          : Object.entries(value.values).map(
              ([key, count]) => `${full}{${value.label}="${key}"} ${count}`,
            );
      return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines].join("\n");
    })
    .join("\n")
    .concat("\n");
}

function metricsOf(stats: AggregatorStats): readonly Metric[] {
  return [
    counter("messages_total", "Well-formed messages received.", stats.messages),
    counter("counted_total", "Messages counted for a pair of parents.", stats.counted),
    counter("overflow_total", "Messages counted past the bound on pairs.", stats.overflow),
    counter("unattributed_total", "Messages given up without an association.", {
      label: "reason",
      values: stats.unattributed,
    }),
    counter("malformed_total", "Frames and association entries skipped.", {
      label: "kind",
      values: stats.malformed,
    }),
    counter(
      "associations_refused_total",
      "Associations past the bound on ids.",
      stats.refusedAssociations,
    ),
    counter("connections_total", "Connections made.", stats.connections),
    counter("gaps_total", "Times the connection was lost and made again.", stats.gaps),
    counter("gap_seconds_total", "Time without a connection after the first.", stats.gapMs / 1_000),
    counter("windows_total", "Windows ended.", stats.windows),
    counter("reports_total", "Reports by what became of them.", {
      label: "fate",
      values: stats.reports,
    }),
    gauge("connected", "1 while the connection is open.", stats.state === "open" ? 1 : 0),
    gauge("held", "Messages that wait for an association.", stats.held),
    gauge("kept_reports", "Reports that wait to be sent.", stats.kept),
    gauge("pairs", "Distinct pairs in the open window.", stats.pairs),
    gauge("children", "Children with a parent.", stats.children),
    gauge("ids", "Children and parents known.", stats.ids),
    gauge("next_report_seconds", "Time to the next report.", stats.remainingMs / 1_000),
  ];
}

function counter(name: string, help: string, value: Metric["value"]): Metric {
  return { name, type: "counter", help, value };
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, type: "gauge", help, value };
}
