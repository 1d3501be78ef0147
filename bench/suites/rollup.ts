// The suite `rollup`: one client of a stream of messages beside a plain `ws` client and a plain Go client.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Figures, Measure, Measurement, Run, Suite } from "../harness/index.ts";
import type { Client } from "./rollup/client.ts";
import { buildGorilla, createGorilla, hasGorilla } from "./rollup/gorilla.ts";
import { type LoadOptions, startLoad } from "./rollup/load-process.ts";
import {
  measurePairs,
  measureUuids,
  PAIR_COUNTER_NAMES,
  UUID_FINDER_NAMES,
} from "./rollup/structures.ts";

const MILLION = 1_000_000;
const USUAL: LoadOptions = {
  children: 1_000,
  parents: 100,
  messages: Number.MAX_SAFE_INTEGER,
  everyPairOnce: false,
};
const POLL_MS = 10;

const NODE_CLIENTS = ["millrace", "ws"];
const CLIENTS = hasGorilla() ? [...NODE_CLIENTS, "gorilla"] : NODE_CLIENTS;

/** Loaded in the measuring process only, and only the one. */
async function loadClient(name: string, run: Run): Promise<Client> {
  if (name === "gorilla") return createGorilla(run.settings["gorilla"]!);
  return ((await import(`./rollup/${name}.ts`)) as { client: Client }).client;
}

/** Waits until the client has counted so many messages. */
async function untilCounted(client: Client, messages: number): Promise<void> {
  while ((await client.sample()).messages < messages) await sleep(POLL_MS);
}

async function measurePace(client: Client, run: Run): Promise<Figures> {
  using load = await startLoad(USUAL);
  await client.connect(load.url);
  // The compilers of both runtimes are through after half a million.
  await untilCounted(client, run.isQuick ? MILLION / 4 : MILLION);
  const before = await client.sample();
  const startedMs = performance.now();
  await sleep(run.isQuick ? 700 : 4_000);
  const after = await client.sample();
  const messages = after.messages - before.messages;
  const figures = {
    messages: (messages / (performance.now() - startedMs)) * 1_000,
    "cpu-per-message": (after.cpuMicros - before.cpuMicros) / messages,
  };
  await client.stop();
  return figures;
}

async function measureMemory(client: Client): Promise<Figures> {
  using load = await startLoad({ ...USUAL, messages: 10 * MILLION });
  await client.connect(load.url);
  await untilCounted(client, MILLION);
  const atMillion = await client.memoryBytes();
  await untilCounted(client, 10 * MILLION);
  const atTenMillion = await client.memoryBytes();
  await client.stop();
  return { "memory-1m": atMillion, "memory-10m": atTenMillion };
}

async function measurePairMemory(client: Client): Promise<Figures> {
  using load = await startLoad({
    children: 1_000,
    parents: 1_000,
    messages: 0,
    everyPairOnce: true,
  });
  await client.connect(load.url);
  await untilCounted(client, MILLION);
  const memory = await client.memoryBytes();
  await client.stop();
  return { "memory-1m-pairs": memory };
}

function measurement(
  cases: Measurement["cases"],
  ask: (client: Client, run: Run) => Promise<Figures>,
  isLong: boolean,
): Measurement {
  const subjects = CLIENTS.map((name): [string, Measure] => [
    name,
    async (run) => ask(await loadClient(name, run), run),
  ]);
  return { cases, subjects: Object.fromEntries(subjects), isLong };
}

function structures(
  name: string,
  unit: string,
  subjects: readonly string[],
  measure: (subject: string, forMs: number) => number,
): Measurement {
  const entries = subjects.map((subject): [string, Measure] => [
    subject,
    async (run) => ({ [name]: measure(subject, run.isQuick ? 200 : 2_000) }),
  ]);
  return { cases: { [name]: { unit, better: "higher" } }, subjects: Object.fromEntries(entries) };
}

const MEMORY = { unit: "bytes", better: "lower" } as const;

export const suite: Suite = {
  name: "rollup",
  about:
    "one client of a WebSocket on loopback, 1,000 children of 100 parents; the server sends as fast as the client reads",
  reference: "ws",
  prepare: async ({ directory }) => {
    const gorilla = join(directory, "gorilla");
    if (hasGorilla()) buildGorilla(gorilla);
    return { settings: { gorilla }, [Symbol.asyncDispose]: async () => {} };
  },
  measurements: [
    measurement(
      {
        messages: { unit: "messages/s", better: "higher" },
        "cpu-per-message": { unit: "us", better: "lower" },
      },
      measurePace,
      false,
    ),
    structures("pair-count", "pairs/s", PAIR_COUNTER_NAMES, measurePairs),
    structures("uuid-lookup", "ids/s", UUID_FINDER_NAMES, measureUuids),
    measurement({ "memory-1m": MEMORY, "memory-10m": MEMORY }, measureMemory, true),
    measurement({ "memory-1m-pairs": MEMORY }, measurePairMemory, true),
  ],
  goals: [
    { case: "messages", subject: "millrace", against: { subject: "ws" }, atLeast: 1.5 },
    { case: "messages", subject: "millrace", against: { subject: "gorilla" }, atLeast: 3 },
    { case: "cpu-per-message", subject: "millrace", against: { subject: "ws" }, atMost: 0.75 },
    { case: "memory-10m", subject: "millrace", against: { case: "memory-1m" }, atMost: 1.1 },
  ],
};
