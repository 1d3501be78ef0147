// Prometheus metrics of a service: what it was asked, and how the queues stand when it is scraped.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { JOB_STATES } from "../core/index.ts";
import type { Operations } from "../runtime/index.ts";

/** Queues that get a time series each; the others are counted together, so that names can't flood the scraper. */
const MAX_METRIC_QUEUES = 200;
/** What the queues beyond the bound are called. */
const OTHER_QUEUES = "(other)";

/** One of those that prom-client collects of every process: where it is, all of them are. */
const A_DEFAULT_METRIC = "process_cpu_user_seconds_total";

/** Counts one route's requests. */
export type RequestMeter = (status: number, durationSeconds: number) => void;

/** The metrics of a service. */
export interface ServiceMetrics {
  readonly registry: Registry;
  /** Makes the meter of a route; `route` is its operation id, so there are as many as routes. */
  meter(route: string): RequestMeter;
}

/** Makes the metrics. The states of queues and workers are read when scraped, not kept. */
export function createMetrics(
  operations: Operations,
  openStreams: () => number,
  registry: Registry = new Registry(),
): ServiceMetrics {
  const registers = [registry];
  // A host program's registry often has them already, and takes no name twice.
  if (registry.getSingleMetric(A_DEFAULT_METRIC) === undefined) {
    collectDefaultMetrics({ register: registry });
  }
  const requests = new Counter({
    name: "millrace_http_requests_total",
    help: "Requests answered, by operation and status.",
    labelNames: ["operation", "status"] as const,
    registers,
  });
  const durations = new Histogram({
    name: "millrace_http_request_duration_seconds",
    help: "Time from a request's arrival to its reply, streams and long polls included.",
    labelNames: ["operation"] as const,
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
    registers,
  });
  registry.registerMetric(
    new Gauge({
      name: "millrace_http_streams",
      help: "Event streams open now.",
      registers: [],
      collect() {
        this.set(openStreams());
      },
    }),
  );
  registerQueueGauges(operations, registry);
  return {
    registry,
    meter(route) {
      const observer = durations.labels(route);
      const counters = new Map<number, Counter.Internal>();
      return (status, durationSeconds) => {
        observer.observe(durationSeconds);
        let counter = counters.get(status);
        if (counter === undefined) {
          counter = requests.labels(route, String(status));
          counters.set(status, counter);
        }
        counter.inc();
      };
    },
  };
}

function registerQueueGauges(operations: Operations, registry: Registry): void {
  // A scrape asks all gauges at once, and none waits for another: those of queues share one look.
  let looking: ReturnType<Operations["queues"]> | undefined;
  const look = (): ReturnType<Operations["queues"]> =>
    (looking ??= operations.queues().finally(() => {
      looking = undefined;
    }));
  const paused = new Gauge({
    name: "millrace_queues_paused",
    help: "Queues that are paused.",
    registers: [],
    async collect() {
      const queues = await look();
      this.set(queues.filter((queue) => queue.paused !== null).length);
    },
  });
  const jobs = new Gauge({
    name: "millrace_jobs",
    help: "Jobs kept, by queue and state.",
    labelNames: ["queue", "state"] as const,
    registers: [],
    async collect() {
      const queues = await look();
      this.reset();
      for (const [index, { name, counts }] of queues.entries()) {
        const queue = index < MAX_METRIC_QUEUES ? name : OTHER_QUEUES;
        for (const state of JOB_STATES) this.inc({ queue, state }, counts[state]);
      }
    },
  });
  const workers = new Gauge({
    name: "millrace_workers",
    help: "Workers that hold a lease.",
    registers: [],
    async collect() {
      this.set((await operations.workers()).length);
    },
  });
  registry.registerMetric(paused);
  registry.registerMetric(jobs);
  registry.registerMetric(workers);
}
