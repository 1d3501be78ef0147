// An exchange with what is said of runs: as one act where that is possible, else call by call.
import type { JobId } from "../../../core/ids.ts";
import type { Advance, AdvanceReply } from "../../../core/run.ts";
import type {
  ExchangeReply,
  ExchangeRequest,
  SettleReply,
  Settlement,
} from "../../../core/store.ts";
import { type Acted, carryOutAct } from "./act-call.ts";
import { type Act, hasSuspectLanes, planAct } from "./acts.ts";
import { type Answered, doElsewhere, replyOf } from "./advances.ts";
import type { Held } from "../exchange/claims.ts";
import type { Insides } from "../exchange/exchange.ts";
import {
  type PlainAnswers,
  type PlainSpeeches,
  SAID_OTHERWISE,
  plainSpeechesOf,
  sayPlainWords,
} from "./plain-words.ts";
import { settleByReading } from "../exchange/room-exchange.ts";
import {
  advance,
  advancingOf,
  goOnWithRuns,
  hasSuspects,
  noteAdvanced,
  takeBack,
  within,
} from "./owned-runs.ts";
import { tellNews } from "./speaking.ts";

/** Carries out the part of an exchange that says nothing of runs. */
type Settle = (request: ExchangeRequest) => Promise<ExchangeReply>;

/** Carries out an exchange. */
export async function exchangeWithRuns(
  insides: Insides,
  request: ExchangeRequest,
  settle: Settle,
): Promise<ExchangeReply> {
  const plain = plainSpeechesOf(insides, request);
  if (plain !== null && !hasSuspectLanes(insides, request)) {
    return exchangeWithPlainWords(insides, request, { plain, settle });
  }
  const act = await planAct(insides, request);
  if (act === null) return goOnWithRuns(insides, request, await settle(request));
  const { worker, advances: _, ...rest } = request;
  const state = insides.workers.get(worker);
  const actor = { worker, state, mayHandOver: !hasSuspects(insides, worker) };
  // What is claimed needs nothing of the act: the two are under way together.
  insides.context.link.gather();
  const [acting, settling] = await Promise.allSettled([
    carryOutAct(insides, act, actor),
    settle({ ...rest, worker, settlements: act.others }),
  ]);
  const acted = acting.status === "fulfilled" ? acting.value : null;
  if (acted !== null) noteActed(insides, acted);
  if (acting.status === "fulfilled" && settling.status === "fulfilled") {
    const done = { act, others: settling.value };
    return acted === null
      ? goOnWithoutAct(insides, request, { ...done, settle })
      : goOnAfterAct(insides, request, { ...done, acted });
  }
  // Nobody hears of what either did.
  if (acted !== null) takeBackAct(insides, acted, acted.handed);
  if (settling.status === "fulfilled") {
    takeBack(insides, { ...rest, worker, settlements: act.others }, settling.value);
    throw (acting as PromiseRejectedResult).reason;
  }
  throw settling.reason;
}

/** An exchange whose words are plain. What it settles and claims is under way beside them. */
async function exchangeWithPlainWords(
  insides: Insides,
  request: ExchangeRequest,
  { plain, settle }: { readonly plain: PlainSpeeches; readonly settle: Settle },
): Promise<ExchangeReply> {
  const { worker, advances = [], ...rest } = request;
  const others = { ...rest, worker };
  insides.context.link.gather();
  const [saying, settling] = await Promise.allSettled([
    sayPlainWords(insides, worker, plain),
    settle(others),
  ]);
  if (settling.status === "rejected") throw settling.reason;
  try {
    if (saying.status === "rejected") throw saying.reason;
    const { settled } = settling.value;
    const replies = await finishPlainWords(insides, request, { said: saying.value, settled });
    noteAdvanced(insides, advances, replies);
    return { ...settling.value, advanced: replies };
  } catch (error) {
    takeBack(insides, others, settling.value);
    throw error;
  }
}

/** Says again what was not taken as a plain word. */
async function finishPlainWords(
  insides: Insides,
  request: ExchangeRequest,
  { said, settled }: { readonly said: PlainAnswers; readonly settled: readonly SettleReply[] },
): Promise<readonly AdvanceReply[]> {
  const { advances = [], worker } = request;
  const { letters, nowMs } = said;
  const replies = advances.map((_, index) => plainReplyOf(letters[index], nowMs[index] ?? 0));
  if (letters.includes(SAID_OTHERWISE)) {
    const again = advances.filter((_, index) => letters[index] === SAID_OTHERWISE);
    const { replies: others } = await advance(
      insides,
      { ...request, advances: again },
      settled,
      insides.news,
    );
    for (const [index, each] of again.entries()) {
      const reply = others[index];
      if (reply !== undefined) replies[advances.indexOf(each)] = reply;
    }
  } else if (insides.news.length > 0) {
    await within(tellNews(insides.context, insides.news, worker));
  }
  return replies;
}

function plainReplyOf(letter: string | undefined, nowMs: number): AdvanceReply {
  if (letter === "a" || letter === "k") return { accepted: true, claimed: NO_CHILDREN, nowMs };
  return { accepted: false, why: letter === "s" ? "stale" : "gone" };
}

const NO_CHILDREN: readonly JobId[] = [];

/** What is held no longer, and what is held now. */
function noteActed({ held, waiting }: Insides, { replies, handed }: Acted): void {
  for (const { token } of replies.keys()) {
    held.delete(token);
    waiting.delete(token);
  }
  for (const claim of handed) held.set(claim.token, claim);
}

/** Whoever settles again is told, and the children are for others. */
function takeBackAct(insides: Insides, { replies }: Acted, handed: readonly Held[]): void {
  for (const [{ token }, reply] of replies) {
    if (reply.accepted) insides.late.set(token, { reply });
  }
  void insides.giveBack(handed);
}

/** An exchange of which a part was carried out. */
interface Done {
  readonly act: Act;
  readonly others: ExchangeReply;
}

const GONE: SettleReply = { accepted: false, why: "gone" };

/** The server wrote nothing of the act. */
async function goOnWithoutAct(
  insides: Insides,
  request: ExchangeRequest,
  { act, others, settle }: Done & { readonly settle: Settle },
): Promise<ExchangeReply> {
  const replies = new Map<Settlement, SettleReply>();
  for (const [index, each] of act.others.entries())
    replies.set(each, others.settled[index] ?? GONE);
  const { worker, settlements } = request;
  const left = settlements.filter((each) => !replies.has(each));
  try {
    const { settled } = await settle({ worker, settlements: left });
    for (const [index, each] of left.entries()) replies.set(each, settled[index] ?? GONE);
  } catch (error) {
    takeBack(insides, { worker, settlements: act.others }, others);
    throw error;
  }
  const settled = settlements.map((each) => replies.get(each) ?? GONE);
  return goOnWithRuns(insides, request, { ...others, settled });
}

async function goOnAfterAct(
  insides: Insides,
  request: ExchangeRequest,
  { act, others, acted }: Done & { readonly acted: Acted },
): Promise<ExchangeReply> {
  const replies = new Map(acted.replies);
  for (const [index, each] of act.others.entries())
    replies.set(each, others.settled[index] ?? GONE);
  const settledSoFar = (): readonly SettleReply[] =>
    request.settlements.map((each) => replies.get(each) ?? GONE);
  try {
    for (const [room, each] of acted.undecided) {
      const { context, news } = insides;
      for (const [, reply] of await settleByReading(context, room, [each], news)) {
        replies.set(each, reply);
      }
    }
    const settled = settledSoFar();
    const advanced = await finishWords(insides, request, { settled, acted });
    if (request.advances === undefined) return { ...others, settled };
    noteAdvanced(insides, request.advances, advanced);
    return { ...others, settled, advanced };
  } catch (error) {
    takeBack(insides, request, { ...others, settled: settledSoFar() });
    void insides.giveBack(acted.handed);
    throw error;
  }
}

/** Whether something is to be done elsewhere: for a word that was kept before, or for the run that made its run. */
function isLeft({ letter, ending }: Answered): boolean {
  return letter === "k" || ending !== null;
}

/** Says again what the act left open, and does what it leaves to do elsewhere. */
async function finishWords(
  insides: Insides,
  request: ExchangeRequest,
  { settled, acted }: { readonly settled: readonly SettleReply[]; readonly acted: Acted },
): Promise<readonly AdvanceReply[]> {
  const { advances = [], worker, settlements } = request;
  const refused = new Set(
    settlements.filter((_, at) => settled[at]?.accepted !== true).map(({ id }) => id),
  );
  const isOpen = ({ letter, advance: { after = [] } }: Answered): boolean =>
    letter === "c" || (letter === "f" && !after.some((id) => refused.has(id)));
  const again = acted.answers.filter(isOpen).map((each) => each.advance);
  const left = acted.answers.filter(isLeft);
  const handed = [...acted.handed];
  const answers = new Map<Advance, AdvanceReply>();
  if (again.length > 0) {
    const said = await advance(insides, { ...request, advances: again }, settled, insides.news);
    for (const [index, each] of again.entries()) {
      const reply = said.replies[index];
      if (reply !== undefined) answers.set(each, reply);
    }
    for (const claim of said.handed) insides.held.set(claim.token, claim);
  } else if (insides.news.length > 0) {
    await within(tellNews(insides.context, insides.news, worker));
  }
  if (left.length > 0) {
    const advancing = await advancingOf(insides, worker, NO_ADVANCES);
    for (const claim of await doElsewhere(advancing, left, LONG_AGO)) {
      handed.push(claim);
      insides.held.set(claim.token, claim);
    }
  }
  const claimed = new Set(handed.map(({ token }) => token));
  const byAdvance = new Map(acted.answers.map((each) => [each.advance, each]));
  return advances.map((each) => answers.get(each) ?? replyOf(each, byAdvance.get(each), claimed));
}

/** Whatever an act made stands: the rest is looked for before it is made. */
const LONG_AGO = Number.NEGATIVE_INFINITY;
const NO_ADVANCES: readonly Advance[] = [];
