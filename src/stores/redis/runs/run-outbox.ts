// What stands in the outboxes of rooms because a process died before it did it: jobs of workflow runs, and their ends.
import type { JobId } from "../../../core/ids.ts";
import { type Child, type KeepJobs, keepChildren } from "./children.ts";
import { type Context, ownNowMs } from "../context.ts";
import type { News } from "./endings.ts";
import { cancelJobs } from "../orders/orders.ts";
import { readJob } from "../outbox.ts";
import type { OpenRoom } from "../rooms.ts";
import { KEPT_CHILDREN, NEEDED_CHILDREN, TAKE_LEFT_BEHIND } from "../scripts/run-records.ts";
import type { Script } from "../scripts/script.ts";
import { ENTRY, tellNews } from "./speaking.ts";
import { Arguments, readId } from "../link/wire.ts";

/** An entry that stands for so long was left behind: whoever writes one does it within milliseconds. */
const LEFT_BEHIND_MS = 5_000;
/**
 * What was found out so long ago is not acted on: half of what others wait before they do the same, or of a lease, by
 * which a run has another owner.
 */
const FRESH_MS = LEFT_BEHIND_MS / 2;
/** Entries taken in one step. */
const MAX_TAKEN = 200;
/** Children asked about in one call. */
const MAX_ASKED = 500;

/** Why jobs are cancelled that a run has no need of. */
export const NO_NEED = "its workflow run has no need of it any more";

/** Does what others left undone in a room. */
export async function finishLeftBehind(
  context: Context,
  room: OpenRoom,
  keepJobs: KeepJobs,
): Promise<void> {
  const args = new Arguments().number(LEFT_BEHIND_MS).number(MAX_TAKEN);
  const taken = await context.link.call(TAKE_LEFT_BEHIND, room.keys, args);
  const news: News[] = [];
  for (let at = 0; at + 1 < taken.length; at += 2) {
    const field = taken[at] as Buffer;
    const value = taken[at + 1] as Buffer;
    const kind = String.fromCharCode(field[0] ?? 0);
    if (kind === ENTRY.ending) news.push(readEnding(room, field, value));
    else if (kind === ENTRY.children)
      await finishChildren(context, room, { field, value, keepJobs });
    else if (kind === ENTRY.cancels) await finishCancels(context, room, { field, value });
  }
  await tellNews(context, news, "");
}

function readEnding(from: OpenRoom, field: Buffer, value: Buffer): News {
  const body = value.toString("utf8", 16);
  return { run: readId(value), fact: { key: readId(field, 1), kind: "ended", body }, from };
}

interface Entry {
  readonly field: Buffer;
  readonly value: Buffer;
}

async function finishChildren(
  context: Context,
  room: OpenRoom,
  { field, value, keepJobs }: Entry & { readonly keepJobs: KeepJobs },
): Promise<void> {
  const jobs = (JSON.parse(value.toString()) as Child[]).map(readJob);
  try {
    const askedAtMs = ownNowMs(context);
    const children = await openChildren(context, jobs);
    if (!isFresh(context, askedAtMs)) return;
    await keepChildren(context, children, {
      keepJobs,
      owner: null,
      isLate: true,
      giveBack: async () => {},
    });
    context.delivered.arrived(room, field);
  } catch {
    // The next sweep tries again; what else there is to do does not wait for it.
  }
}

async function finishCancels(
  context: Context,
  room: OpenRoom,
  { field, value }: Entry,
): Promise<void> {
  const ids = JSON.parse(value.toString()) as JobId[];
  await cancelJobs(context, { ids, reason: NO_NEED });
  context.delivered.arrived(room, field);
}

/**
 * Whether what was found out at a time of this process still holds: that nobody else makes the children which it is about
 * to make. A process that was stopped meanwhile would make some again that others made, ran and saw end.
 */
export function isFresh(
  context: Context,
  foundAtMs: number,
  leaseMs: number = Number.POSITIVE_INFINITY,
): boolean {
  return ownNowMs(context) - foundAtMs <= Math.min(FRESH_MS, leaseMs / 2);
}

/**
 * What is left of children that may have been made before: those that were never made, and those that are kept and may
 * be handed over still. Asked in this order, for one that ends leaves its room, and then its run is told: the other way
 * round one that ends meanwhile would be made again.
 */
export async function openChildren(
  context: Context,
  children: readonly Child[],
): Promise<readonly Child[]> {
  const kept = await confirmed(context, KEPT_CHILDREN, children, {
    of: ({ id }) => id,
    write: (args, { id }) => args.id(id),
  });
  const gone = children.filter((child) => !kept.has(child));
  const needed = await confirmed(context, NEEDED_CHILDREN, gone, {
    of: ({ parent }) => parent,
    write: (args, { id, parent }) => args.id(parent).id(id),
  });
  const mayBeHanded = [...kept].filter(({ token }) => token !== undefined);
  return [...needed, ...mayBeHanded.map((child) => ({ ...child, isKept: true as const }))];
}

/** The children for which a room of an id says 1: where the hashes of two queues are equal, the other room knows nothing. */
async function confirmed(
  context: Context,
  script: Script,
  children: readonly Child[],
  ask: {
    readonly of: (child: Child) => JobId;
    readonly write: (args: Arguments, child: Child) => unknown;
  },
): Promise<ReadonlySet<Child>> {
  const found = new Set<Child>();
  const byRoom = new Map<OpenRoom, Child[]>();
  for (const child of children) {
    for (const room of await context.rooms.ofId(ask.of(child))) {
      const own = byRoom.get(room);
      if (own === undefined) byRoom.set(room, [child]);
      else own.push(child);
    }
  }
  await Promise.all(
    [...byRoom].map(async ([room, own]) => {
      for (let from = 0; from < own.length; from += MAX_ASKED) {
        const part = own.slice(from, from + MAX_ASKED);
        const args = new Arguments();
        for (const child of part) ask.write(args, child);
        const [answers] = await context.link.call(script, room.keys, args);
        for (const [index, child] of part.entries()) {
          if (String(answers)[index] === "1") found.add(child);
        }
      }
    }),
  );
  return found;
}
