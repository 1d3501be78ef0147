// The entry of a measuring process: runs what it is told and answers with figures. Started by measure-in-child.ts.
import type { Answer, Order } from "./measure-in-child.ts";
import { loadSuite } from "./load-suite.ts";
import type { Figures } from "./suite.ts";

process.once("disconnect", () => process.exit(1));
const order = JSON.parse(process.argv[2] ?? "") as Order;

async function measure(): Promise<Figures> {
  const suite = await loadSuite(order.suite);
  const measurement = suite.measurements[order.measurement];
  const subject = measurement?.subjects[order.subject];
  if (measurement === undefined || subject === undefined) {
    throw new Error(`${order.suite} has no measurement ${order.measurement} of ${order.subject}`);
  }
  const figures = await subject(order);
  for (const name of Object.keys(measurement.cases)) {
    const figure = figures[name];
    if (figure === undefined || !(figure > 0)) {
      throw new Error(
        `${order.subject} gave ${String(figure)} for ${name}; expected a figure above 0`,
      );
    }
  }
  return figures;
}

function answer(message: Answer): void {
  // The exit is explicit: peers may leave handles behind, which is theirs to mend and ours not to wait for.
  process.send?.(message, () => process.exit("figures" in message ? 0 : 1));
}

measure().then(
  (figures) => answer({ figures }),
  (error: unknown) =>
    answer({ failure: error instanceof Error ? (error.stack ?? "") : String(error) }),
);
