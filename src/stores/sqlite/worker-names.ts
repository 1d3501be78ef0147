// Names and numbers of workers: a row keeps the number, a record tells the name.
import type { Context } from "./context.ts";

/** The number of an attached worker; `null` when it holds no lease row. */
export function findWorkerNumber(context: Context, name: string): number | null {
  const known = context.workerNumbers.get(name);
  if (known !== undefined) return known;
  const row = context.connection.first(
    "SELECT no FROM workers WHERE namespace = ? AND id = ?",
    context.namespace,
    name,
  );
  if (row === undefined) return null;
  rememberWorker(context, Number(row[0]), name);
  return Number(row[0]);
}

/** The number of a worker that holds a lease row. */
export function workerNumber(context: Context, name: string): number {
  const no = findWorkerNumber(context, name);
  if (no === null) throw new Error(`worker ${name} has no row`);
  return no;
}

/** The name of a worker, by its number. */
export function workerName(context: Context, no: number): string {
  const known = context.workerNames.get(no);
  if (known !== undefined) return known;
  const row = context.connection.first("SELECT id FROM workers WHERE no = ?", no);
  if (row === undefined) return "unknown";
  rememberWorker(context, no, String(row[0]));
  return String(row[0]);
}

/** Workers whose names are remembered; beyond it the memory starts anew. */
const MAX_REMEMBERED_WORKERS = 10_000;

function rememberWorker(context: Context, no: number, name: string): void {
  if (context.workerNames.size >= MAX_REMEMBERED_WORKERS) {
    context.workerNames.clear();
    context.workerNumbers.clear();
  }
  context.workerNames.set(no, name);
  context.workerNumbers.set(name, no);
}
