// Workflow runs: their records, and signals to them.
import type { CancelRequest } from "../../../core/job.ts";
import { isTerminal } from "../../../core/job.ts";
import {
  type ReadRun,
  type RunFact,
  type RunPage,
  type Signal,
  writeSignal,
} from "../../../core/run.ts";
import type { ChangeReply } from "../../../core/store.ts";
import type { JobState } from "../../../core/job.ts";
import type { Context } from "../context.ts";
import type { News } from "./endings.ts";
import { type Extras, SYMBOLIC_NOW_MS } from "../records.ts";
import { READ_RUN } from "../scripts/run-records.ts";
import { newsByRoom, partsOf, speak } from "./speaking.ts";
import { Arguments, readId } from "../link/wire.ts";

/** One page of a run's record; `null` where it is not kept. */
export async function readRun(context: Context, request: ReadRun): Promise<RunPage | null> {
  for (const room of await context.rooms.ofId(request.id)) {
    const args = new Arguments().id(request.id).number(request.afterEntries);
    if (request.afterFact === null) args.text("");
    else args.id(request.afterFact);
    const reply = await context.link.call(READ_RUN, room.keys, args.number(request.limit));
    if (reply.length > 0) return readPage(reply);
  }
  return null;
}

function readPage(reply: readonly unknown[]): RunPage {
  const extras = String(reply[0]);
  const count = Number(reply[2]);
  const facts: RunFact[] = [];
  for (let at = 3 + count; at + 2 < reply.length; at += 3) {
    facts.push({
      key: readId(reply[at] as Buffer),
      kind: String(reply[at + 1]) === "s" ? "signal" : "ended",
      body: String(reply[at + 2]),
    });
  }
  const cancelRequest: CancelRequest | null =
    extras === "" ? null : ((JSON.parse(extras) as Extras).q ?? null);
  return {
    entries: reply.slice(3, 3 + count).map(String),
    facts,
    cancelRequest,
    more: Number(reply[1]) === 1,
  };
}

const STATES: Readonly<Record<string, JobState>> = {
  u: "running",
  w: "waiting",
  r: "ready",
  s: "scheduled",
  S: "succeeded",
  F: "failed",
  C: "cancelled",
};

/** Keeps signals for runs. Replies are in the order of the signals. */
export async function sendSignals(
  context: Context,
  signals: readonly Signal[],
): Promise<readonly ChangeReply[]> {
  const replies: ChangeReply[] = signals.map(() => ({ changed: false, state: null }));
  const places = new Map<News, number>();
  for (const [at, signal] of signals.entries()) {
    const body = writeSignal(signal, SYMBOLIC_NOW_MS).replace(AT, '"atMs":\u00010\u0002');
    const fact: RunFact = { key: signal.id, kind: "signal", body };
    places.set({ run: signal.run, fact, from: null }, at);
  }
  const byRoom = await newsByRoom(context, [...places.keys()]);
  await Promise.all(
    [...byRoom].map(async ([room, own]) => {
      for (const facts of partsOf(own)) {
        const { letters } = await speak(context, room, { by: "", facts, words: [] });
        for (const [index, fact] of facts.entries()) {
          const state = STATES[letters[index] ?? ""];
          const place = places.get(fact);
          if (state === undefined || place === undefined) continue;
          replies[place] = isTerminal(state) ? { changed: false, state } : { changed: true, state };
        }
      }
    }),
  );
  return replies;
}

/** The name of a signal comes before it, in quotes that are escaped where it has any. */
const AT = `"atMs":${SYMBOLIC_NOW_MS}`;
