// A program's end of the channel to the harness: says hello, hears orders and answers them.
import { toRefusal } from "../harness/producer.ts";

/** An order; `answer` names the message by which its end is told. */
export interface Order {
  readonly kind: string;
  readonly answer?: string;
  readonly [field: string]: unknown;
}

/** Options that the harness gave this program. */
export function programOptions(): unknown {
  return JSON.parse(process.argv[2] ?? "null");
}

export function tell(kind: string, fields: Readonly<Record<string, unknown>> = {}): void {
  process.send?.({ ...fields, kind }, () => {});
}

/**
 * Says hello and carries out orders from now on, as they come: several may be under way at once. Without a harness
 * there is nothing to live for, so the program ends when the channel does.
 */
export function serve(orders: Readonly<Record<string, (order: Order) => unknown>>): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message) => {
    void carryOut(message as Order);
  });
  tell("hello", { pid: process.pid });

  async function carryOut(order: Order): Promise<void> {
    try {
      const result = await orders[order.kind]?.(order);
      if (order.answer !== undefined) tell(order.answer, { result });
    } catch (error) {
      if (order.answer !== undefined) tell(order.answer, { failure: toRefusal(error) });
    }
  }
}
