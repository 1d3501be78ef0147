// The server as a program: `node examples/rollup-server/main.ts --rate 10000 --late 0.1`, with a verdict at the end.
import { parseArgs } from "node:util";
import type { Verdict } from "./ledger.ts";
import { RollupServer } from "./server.ts";

/** Every switch is a number; the names are those of the options. */
const SWITCHES = {
  port: "port to listen on (5050; 0 picks one)",
  rate: "messages a second (1000)",
  messages: "stop after so many messages (none: never)",
  parents: "number of parents (20)",
  children: "number of children (200)",
  "update-every-ms": "update of associations every so often (1000)",
  "moves-per-update": "children that move to another parent with each update (0)",
  late: "share of children whose association comes later (0)",
  "late-per-update": "late children told with each update (10)",
  malformed: "share of malformed frames (0)",
  unusual: "share of messages in another form than the usual one (0)",
  "cut-every-ms": "cut the connection every so often (never)",
  "down-for-ms": "refuse connections so long after a cut (0)",
  "stall-every-ms": "neither send nor read every so often (never)",
  "stall-for-ms": "how long a stall lasts (0)",
  seed: "seed of everything that is drawn (1)",
} as const;

/** What a parent process may say: see demo.ts. */
type Order =
  | { readonly do: "cut"; readonly downForMs: number }
  | { readonly do: "declare"; readonly connection: number; readonly received: number }
  | { readonly do: "quieten" }
  | { readonly do: "stop" };

function readSwitches(): Record<string, number> {
  const options = Object.fromEntries(
    [...Object.keys(SWITCHES), "help"].map((name) => [
      name,
      { type: name === "help" ? "boolean" : "string" } as const,
    ]),
  );
  const { values } = parseArgs({ options });
  if (values["help"] === true) {
    for (const [name, meaning] of Object.entries(SWITCHES))
      console.log(`--${name.padEnd(18)} ${meaning}`);
    process.exit(0);
  }
  const switches: Record<string, number> = { rate: 1_000, updateEveryMs: 1_000 };
  for (const [name, value] of Object.entries(values)) {
    const number = Number(value);
    if (!Number.isFinite(number) || number < 0) {
      console.error(`--${name} is ${String(value)}; expected a number of at least 0`);
      process.exit(2);
    }
    switches[name.replace(/-./g, (match) => match[1]!.toUpperCase())] = number;
  }
  return switches;
}

function tellVerdict(verdict: Verdict): boolean {
  const { reports, exact, reported, sent, waiting, gap, mistakes } = verdict;
  console.log(`reports: ${reports}, ${exact} of them equal the server's own count to the message`);
  console.log(
    `messages: ${sent} counted here, ${reported} reported, ${waiting} never attributed, ${gap} frames lost in cuts`,
  );
  for (const mistake of mistakes.slice(0, 10)) console.log(`mistake: ${mistake}`);
  const isCorrect = mistakes.length === 0 && reports > 0;
  console.log(isCorrect ? "the reports are CORRECT" : "the reports are INCORRECT");
  return isCorrect;
}

const server = new RollupServer({
  ...readSwitches(),
  tell: (line) => console.log(`server: ${line}`),
});
await server.start();
console.log(`server: listening at ${server.url}`);
process.send?.({ url: server.url });

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  const verdict = await server.stop();
  const isCorrect = tellVerdict(verdict);
  const { totals: _, ...plain } = verdict;
  process.send?.({ verdict: plain });
  process.exitCode = isCorrect ? 0 : 1;
  if (process.connected) process.disconnect();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void stop());
// Whoever started it is gone.
process.on("disconnect", () => void stop());
process.on("message", (order: Order) => {
  if (order.do === "cut") server.cut(order.downForMs);
  else if (order.do === "declare") server.ledger.declare(order.connection, order.received);
  else if (order.do === "quieten") server.quieten();
  else void stop();
});
