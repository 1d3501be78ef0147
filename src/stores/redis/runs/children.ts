// The jobs that workflow runs make: kept in their rooms, and handed to the run's owner where it would run them itself.
import { MillraceError } from "../../../core/errors.ts";
import type { JobId } from "../../../core/ids.ts";
import type { ChildJob } from "../../../core/run.ts";
import type { EnqueueReply, NewJob } from "../../../core/store.ts";
import type { Held } from "../exchange/claims.ts";
import type { Context } from "../context.ts";
import { besideNew, isListed } from "../enqueue.ts";
import type { WorkerState } from "../exchange/worker-state.ts";
import { childKin } from "./kin.ts";
import { FLAG, HEAD_BYTES, type LaneDefinition, laneField } from "../records.ts";
import { type OpenRoom, noteArrived, takeArrived } from "../rooms.ts";
import { KEEP_CHILDREN } from "../scripts/children.ts";
import { Arguments, idBytes } from "../link/wire.ts";

/** Children in one call: as many jobs as one of an enqueue. */
const MAX_CHILDREN = 250;
/** Most text in one call. */
const MAX_CHARACTERS = 4 * 1_024 * 1_024;

/** A child with the run that made it. */
export interface Child extends ChildJob {
  readonly parent: JobId;
  /** It was there when it was looked for: it may be handed over, and is not made again. */
  readonly isKept?: true;
}

/** Keeps any jobs, as an enqueue does. */
export type KeepJobs = (jobs: readonly NewJob[]) => Promise<readonly EnqueueReply[]>;

/** The worker of the runs that make children. */
export interface Owner {
  readonly worker: string;
  readonly state: WorkerState | undefined;
  /** Whether it may be handed children that it does not run yet: not while it runs suspects. */
  readonly mayHandOver: boolean;
}

/** How children are kept. */
export interface Keeping {
  readonly keepJobs: KeepJobs;
  /** Who may be handed children; `null`: nobody. */
  readonly owner: Owner | null;
  /** Whether they come late: one may have ended by now. */
  readonly isLate: boolean;
  /** Called with children that were handed over when nobody waits for them any more. */
  readonly giveBack: (claims: readonly Held[]) => Promise<void>;
}

/**
 * Keeps children in all of their rooms at once. Gives back those that were handed over.
 *
 * @throws MillraceError of the first room that failed, when all have answered
 */
export async function keepChildren(
  context: Context,
  children: readonly Child[],
  keeping: Keeping,
): Promise<readonly Held[]> {
  const listed = new Map<OpenRoom, Child[]>();
  const others: NewJob[] = [];
  for (const child of children) {
    if (!isListed(child) && (keeping.owner === null || !mayBegin(child))) {
      const { token: _, isKept = false, ...job } = child;
      if (isKept) continue;
      others.push(job);
      continue;
    }
    const room = await context.rooms.ofJob(child.queue, child.id);
    const own = listed.get(room);
    if (own === undefined) listed.set(room, [child]);
    else own.push(child);
  }
  const calls = [...listed].flatMap(([room, own]) =>
    partsOf(own).map((part) => keepPart(context, room, part, keeping)),
  );
  const [outcomes, kept] = await Promise.all([
    Promise.allSettled(calls),
    others.length === 0
      ? null
      : keeping.keepJobs(others).then(
          () => null,
          (error: unknown) => ({ error }),
        ),
  ]);
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  const handed = outcomes.flatMap((outcome) =>
    outcome.status === "fulfilled" ? [...outcome.value] : [],
  );
  if (failure === undefined && kept === null) return handed;
  keeping.giveBack(handed).catch(() => {});
  throw failure === undefined ? kept?.error : failure.reason;
}

/** Whether a child that its owner runs already is claimed as it is kept: nothing of its own is for a claim to judge. */
export function mayBegin({
  isBegun,
  tags: _tags,
  terms: _terms,
  retention: _kept,
  ...job
}: ChildJob): boolean {
  return isBegun === true && isListed(job);
}

/** Parts that are small enough, each in the order of the ids. */
function partsOf(children: readonly Child[]): (readonly Child[])[] {
  const sorted = [...children].sort((left, right) => (left.id < right.id ? -1 : 1));
  const parts: Child[][] = [];
  let part: Child[] = [];
  let characters = 0;
  for (const child of sorted) {
    if (part.at(-1)?.id === child.id) continue;
    characters += child.input.length;
    if (part.length > 0 && (part.length === MAX_CHILDREN || characters > MAX_CHARACTERS)) {
      parts.push(part);
      part = [];
      characters = child.input.length;
    }
    part.push(child);
  }
  parts.push(part);
  return parts;
}

/** Children of one lane, all of them begun or none. */
export interface Group {
  readonly lane: LaneDefinition;
  readonly isBegun: boolean;
  readonly children: Child[];
}

/** Who the children of some groups may be handed to; `null`: nobody. */
export function ownerOf(owner: Owner | null, groups: readonly Group[]): Owner | null {
  if (owner === null) return null;
  const isHanded = groups.some(
    ({ isBegun, children }) =>
      isBegun || (owner.mayHandOver && children.some(({ token }) => token !== undefined)),
  );
  return isHanded ? owner : null;
}

async function keepPart(
  context: Context,
  room: OpenRoom,
  children: readonly Child[],
  keeping: Keeping,
): Promise<readonly Held[]> {
  const groups = groupsOf(children);
  const owner = ownerOf(keeping.owner, groups);
  owner?.state?.joined(room);
  for (;;) {
    const nonce = context.nextNonce();
    const args = new Arguments().raw(nonce).raw(takeArrived(room));
    writeChildren(args, room, groups, { ...keeping, owner });
    const reply = await send(context, room, args, nonce, (late) =>
      keeping.giveBack(handedOver(room, groups, late, { worker: owner?.worker ?? "" })),
    );
    if (reply[0] === -1) {
      // Somebody began to follow: the script wants the events too, and wrote nothing yet.
      room.isFollowed = true;
      continue;
    }
    room.isFollowed = reply[1] === 1;
    return handedOver(room, groups, reply, { worker: owner?.worker ?? "" });
  }
}

async function send(
  context: Context,
  room: OpenRoom,
  args: Arguments,
  nonce: Buffer,
  onLate: (reply: readonly unknown[]) => Promise<void>,
): Promise<readonly unknown[]> {
  let wasRepeated = false;
  const onRetry = (): void => {
    wasRepeated = true;
  };
  try {
    const reply = await context.link.call(KEEP_CHILDREN, room.keys, args, { onRetry });
    noteArrived(room, nonce, wasRepeated);
    return reply;
  } catch (error) {
    if (error instanceof MillraceError && error.code === "STORE_BUSY") {
      // It may have been done, or be done yet: nobody will run what it hands over.
      context.link
        .call(KEEP_CHILDREN, room.keys, args, { deadlineMs: Number.POSITIVE_INFINITY })
        .then((reply) => {
          noteArrived(room, nonce, true);
          return onLate(reply);
        })
        .catch(() => {});
    }
    throw error;
  }
}

/** Children by their lanes; those that are begun come last. */
export function groupsOf(children: readonly Child[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const child of children) {
    const { type, labels = [], headStartMs = 0 } = child;
    const lane = { type, labels, headStartMs, company: 0, isKeyed: false };
    const isBegun = child.isBegun === true;
    const field = isBegun ? `begun ${laneField(lane)}` : laneField(lane);
    const group = groups.get(field);
    if (group === undefined) groups.set(field, { lane, isBegun, children: [child] });
    else group.children.push(child);
  }
  return [...groups.values()].sort((left, right) => Number(left.isBegun) - Number(right.isBegun));
}

/** Writes the arguments of a call, from behind its nonces. */
export function writeChildren(
  args: Arguments,
  room: OpenRoom,
  groups: readonly Group[],
  { owner, isLate }: Pick<Keeping, "owner" | "isLate">,
): void {
  const hasEvents = room.isFollowed;
  const leaseMs = owner?.state?.leaseMs;
  args
    .text(hasEvents ? "1" : "0")
    .text(owner?.worker ?? "")
    .text(leaseMs === undefined ? "" : String(leaseMs))
    .text(isLate ? mayBeMade(groups) : "");
  const fields = groups.map(({ lane }) => laneField(lane));
  const lanes = [...new Set(fields)];
  args.number(lanes.length).number(groups.filter(({ isBegun }) => !isBegun).length);
  for (const field of lanes) args.text(field);
  for (const [index, { children, isBegun }] of groups.entries()) {
    const lane = lanes.indexOf(fields[index] ?? "") + 1;
    if (isBegun) {
      for (const child of children) writeBegun(args, child, lane, hasEvents ? owner : undefined);
      continue;
    }
    args.number(lane).number(children.length);
    for (const { id } of children) args.id(id);
    for (const { parent } of children) args.id(parent);
    for (const { input } of children) args.text(input);
    for (const { token } of children) args.text(owner?.mayHandOver === true ? (token ?? "") : "");
    if (!hasEvents) continue;
    for (const child of children) args.text(enqueuedEvent(child));
    for (const child of children) args.text(startedEvent(child, owner));
  }
}

/** A letter for each child that comes late. */
function mayBeMade(groups: readonly Group[]): string {
  return groups
    .flatMap(({ children }) => children.map(({ isKept }) => (isKept === true ? "k" : "m")))
    .join("");
}

/** `teller`: whose events come with it; `undefined`: none do. */
function writeBegun(
  args: Arguments,
  child: Child,
  lane: number,
  teller: Owner | null | undefined,
): void {
  const { id, parent, input, token = "", tags = [] } = child;
  const { text, flags } = besideNew(child);
  args.number(lane).id(id).id(parent).text(input).text(token).number(flags).text(text);
  args.number(tags.length);
  for (const tag of tags) args.text(tag);
  if (teller !== undefined) args.text(enqueuedEvent(child)).text(startedEvent(child, teller));
}

function enqueuedEvent({ id, type, queue }: Child): string {
  return JSON.stringify({ id, type, queue, kind: "enqueued", state: "ready" });
}

function startedEvent({ id, type, queue }: Child, owner: Owner | null): string {
  const worker = owner?.worker;
  return JSON.stringify({ id, type, queue, kind: "started", worker, attempt: 1 });
}

const HANDED_OVER = "H";

/** Who claims children, and whether they were made by the call that handed them over. */
type HandedTo = Pick<Held, "worker" | "isFirst">;

/** The claims of children that were handed over. */
export function handedOver(
  room: OpenRoom,
  groups: readonly Group[],
  reply: readonly unknown[],
  to: HandedTo,
): readonly Held[] {
  const letters = String(reply[2]);
  if (!letters.includes(HANDED_OVER)) return [];
  const nowMs = Number(reply[0]);
  const held: Held[] = [];
  let place = 0;
  for (const { lane, children } of groups) {
    // Its number is the room's business: a claim is settled by its job and token.
    const by = { ...to, room, lane: { ...lane, number: NO_NUMBER, slot: 0 }, startedAtMs: nowMs };
    for (const child of children) {
      if (letters[place] === HANDED_OVER) held.push(claimOf(child, by));
      place += 1;
    }
  }
  return held;
}

const NO_NUMBER = Buffer.alloc(2);

function claimOf(child: Child, by: HandedTo & Pick<Held, "room" | "lane" | "startedAtMs">): Held {
  const { startedAtMs: nowMs } = by;
  const record = Buffer.allocUnsafe(HEAD_BYTES + Buffer.byteLength(child.input));
  record.set(HANDED_HEAD);
  const isBegun = child.isBegun === true;
  const beside = isBegun ? besideNew(child) : NOTHING_BESIDE;
  record[1] = beside.flags;
  record.writeUIntBE(nowMs, 5, 6);
  record.writeUIntBE(nowMs, 11, 6);
  record.utf8Write(child.input, HEAD_BYTES);
  return {
    ...by,
    token: child.token ?? "",
    id: idBytes(child.id),
    record,
    extras: beside.text,
    kin: childKin(child.parent),
    ...(isBegun ? { isBegun } : {}),
  };
}

const NOTHING_BESIDE = { text: "", flags: FLAG.kin } as const;

/** What the record of a child begins with that was handed over, its flags and times aside. */
const HANDED_HEAD = Buffer.alloc(HEAD_BYTES);
HANDED_HEAD.write("L");
