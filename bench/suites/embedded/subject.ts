// What every subject of the embedded suite can be asked. Each file beside this one exports one as `subject`.
import type { Run } from "../../harness/index.ts";
import type { Producer } from "../../harness/two-processes.ts";

export interface EmbeddedSubject {
  /** Jobs a second, many a call. */
  bulkEnqueue(run: Run, waiting: number): Promise<number>;
  /** Jobs a second, each caller waiting for its own job to be kept. */
  enqueue(run: Run, callers: number, waiting: number): Promise<number>;
  /** Jobs a second, finished ones removed. */
  process(run: Run, waiting: number, options: { readonly isLogged: boolean }): Promise<number>;
  /** Milliseconds from before the enqueue to the start of the handler, with an idle worker. */
  latencies(run: Run, waiting: number): Promise<{ readonly p50: number; readonly p99: number }>;
  /** The same at the median, enqueued in another process. */
  latencyAcrossProcesses(run: Run, waiting: number): Promise<number>;
  /** That other process's side. */
  openProducer(path: string): Promise<Producer>;
}
