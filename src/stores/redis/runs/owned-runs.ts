// The part of an exchange that is about workflow runs: after what ended was settled, they go on.
import type { JobId } from "../../../core/ids.ts";
import type { Advance, AdvanceReply } from "../../../core/run.ts";
import type {
  ExchangeReply,
  ExchangeRequest,
  SettleReply,
  Settlement,
} from "../../../core/store.ts";
import { type Advanced, type Advancing, advanceRuns } from "./advances.ts";
import type { News } from "./endings.ts";
import type { Insides } from "../exchange/exchange.ts";
import { advancedKin, parentOf } from "./kin.ts";
import { keepReplies } from "../exchange/late-replies.ts";
import { tellNews } from "./speaking.ts";
import { isLastWord } from "./words.ts";

/** Longest wait for runs elsewhere to be told what ended: jobs were claimed by the same exchange, and wait with it. */
const TELLING_MS = 1_000;

/**
 * Where a run is settled after a step of its own, the step is settled first, and the run hears of its end. Gives back
 * the settlements that are left.
 */
export async function settleStepsFirst(
  insides: Insides,
  worker: string,
  settlements: readonly Settlement[],
  settle: (settlements: readonly Settlement[]) => Promise<void>,
): Promise<readonly Settlement[]> {
  let runs: Set<JobId> | null = null;
  for (const [index, { id, token }] of settlements.entries()) {
    if (runs?.has(id) === true) {
      await settle(settlements.slice(0, index));
      await within(tellNews(insides.context, insides.news.splice(0), worker));
      return settleStepsFirst(insides, worker, settlements.slice(index), settle);
    }
    const kin = insides.held.get(token)?.kin;
    const parent = kin === undefined ? null : parentOf(kin);
    if (parent !== null) (runs ??= new Set()).add(parent);
  }
  return settlements;
}

/** Tells runs what ended, and keeps what their owner says of them. */
export async function goOnWithRuns(
  insides: Insides,
  request: ExchangeRequest,
  reply: ExchangeReply,
): Promise<ExchangeReply> {
  const { news } = insides;
  const { advances = [], worker } = request;
  if (advances.length === 0) {
    if (news.length > 0) await within(tellNews(insides.context, news, worker));
    return reply;
  }
  try {
    const { replies, handed } = await advance(insides, request, reply.settled, news);
    noteAdvanced(insides, advances, replies);
    for (const claim of handed) insides.held.set(claim.token, claim);
    return { ...reply, advanced: replies };
  } catch (error) {
    takeBack(insides, request, reply);
    throw error;
  }
}

/** What is remembered of claims is how their runs stand now. */
export function noteAdvanced(
  insides: Insides,
  advances: readonly Advance[],
  replies: readonly AdvanceReply[],
): void {
  for (const [index, said] of advances.entries()) {
    if (replies[index]?.accepted !== true) continue;
    if (said.next.kind === "waiting") insides.waiting.add(said.token);
    else insides.waiting.delete(said.token);
    if (isLastWord(said)) insides.held.delete(said.token);
    else noteAdvance(insides, said);
  }
}

function noteAdvance({ held }: Insides, { token, from, entries, next }: Advance): void {
  const claim = held.get(token);
  if (claim === undefined) return;
  const kin = advancedKin(claim.kin, from + entries.length, next.kind === "waiting");
  held.set(token, { ...claim, kin });
}

/** Says it, after what an exchange settled. */
export async function advance(
  insides: Insides,
  { worker, advances = [], settlements }: ExchangeRequest,
  settled: readonly SettleReply[],
  news: readonly News[],
): Promise<Advanced> {
  const refused = new Set(
    settlements.filter((_, at) => settled[at]?.accepted !== true).map(({ id }) => id),
  );
  const advancing = await advancingOf(insides, worker, advances);
  return advanceRuns(advancing, advances, refused, news);
}

/** What advancing needs of an exchange. */
export async function advancingOf(
  insides: Insides,
  worker: string,
  advances: readonly Advance[],
): Promise<Advancing> {
  const { context, held, workers, keepJobs, giveBack } = insides;
  return {
    context,
    keepJobs,
    worker,
    state: workers.get(worker),
    find: (token: string) => held.get(token),
    giveBack,
    mayHandOver: !hasSuspects(insides, worker),
    types: advances.some(isLastWord) ? await context.types.read() : NO_TYPES,
  };
}

const NO_TYPES: Awaited<ReturnType<Insides["context"]["types"]["read"]>> = new Map();

/** Whether a worker runs what is suspected of killing its workers. */
export function hasSuspects({ held }: Insides, worker: string): boolean {
  for (const claim of held.values()) {
    if (claim.lane.company > 0 && claim.worker === worker) return true;
  }
  return false;
}

/** The exchange fails: what it claimed nobody will run, and what it settled is told to whoever settles again. */
export function takeBack(
  { held, late, giveBack }: Insides,
  { settlements }: ExchangeRequest,
  { settled, claimed }: ExchangeReply,
): void {
  keepReplies(late, settlements, settled);
  const claims = claimed.flatMap(({ token }) => held.get(token) ?? []);
  void giveBack(claims);
}

/** Waits for it, but not for long. */
export async function within(telling: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, TELLING_MS);
  await Promise.race([telling, late.promise]);
  clearTimeout(timer);
}
