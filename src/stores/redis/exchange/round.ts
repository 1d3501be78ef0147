// One round of an exchange: all of its rooms are asked at once.
import type { ExchangeRequest, Settlement } from "../../../core/store.ts";
import type { Claiming } from "./claiming.ts";
import type { Insides } from "./exchange.ts";
import { keepReplies } from "./late-replies.ts";
import { outcomesOf } from "./patience.ts";
import type { RoomReply, RoomRequest } from "./room-exchange.ts";
import type { OpenRoom } from "../rooms.ts";

/** When to look again at a room that failed while others answered: nothing tells when it works again. */
const AGAIN_MS = 1_000;

/** What one room answered, and what was asked of it. */
export interface RoomAnswer {
  readonly room: OpenRoom;
  readonly settlements: readonly Settlement[];
  readonly reply: RoomReply;
}

/** What a worker says of jobs that are handed to it; nothing where suspects are: they choose their company. */
function wordOf({ handed, workers }: Insides, { worker }: ExchangeRequest, room: OpenRoom): string {
  const state = workers.get(worker);
  if (state?.takesHanded !== true || room.lanes.all.some(({ company }) => company > 0)) return "";
  return handed.wordTo(room, worker, state.isSeenAt(room));
}

/**
 * Asks all rooms of a round at once. A room that fails fails the exchange only if it had something to settle, or if it
 * has nothing to give back at all; one that is silent while others answer, or did in a round before, is left.
 */
export async function askRound(
  insides: Insides,
  request: ExchangeRequest,
  round: {
    readonly byRoom: ReadonlyMap<OpenRoom, readonly Settlement[]>;
    readonly claiming: Claiming | null;
    /** Whether the exchange has something to give back without this round. */
    readonly isFurther: boolean;
  },
): Promise<readonly RoomAnswer[]> {
  const { byRoom, claiming, isFurther } = round;
  const rooms = new Set([...byRoom.keys(), ...(claiming?.shares.keys() ?? [])]);
  const state = insides.workers.get(request.worker);
  const asked = [...rooms].map((room) => {
    const settlements = byRoom.get(room) ?? [];
    const part = claiming?.partOf(room) ?? null;
    if (part !== null) state?.joined(room);
    const leaseMs = state?.leaseMs ?? null;
    const word = part === null ? "" : wordOf(insides, request, room);
    const claim = part === null ? {} : { claim: { ...part, leaseMs, word } };
    const asking: RoomRequest = { room, worker: request.worker, settlements, ...claim };
    return { asking, isSilent: room.unanswered > 0, answer: insides.ask(asking) };
  });
  const { patienceMs, firstAnswerMs } = insides.context;
  // What is settled late counts, so only a claim of all that can be asked has nothing better to do than to wait.
  const mayBeElsewhere =
    claiming === null || claiming.rooms.some((room) => room.unanswered === 0 && !rooms.has(room));
  const longestMs = mayBeElsewhere ? firstAnswerMs : Number.POSITIVE_INFINITY;
  const outcomes = await outcomesOf(asked, patienceMs, isFurther, longestMs);
  const answers: RoomAnswer[] = [];
  let failure: PromiseRejectedResult | undefined;
  for (const [index, { asking, answer }] of asked.entries()) {
    const { room, settlements, claim } = asking;
    const outcome = outcomes[index] ?? null;
    if (outcome?.status === "fulfilled") {
      answers.push({ room, settlements, reply: outcome.value });
      continue;
    }
    // Of one that failed too it is not known what it claims yet.
    if (claim !== undefined) claiming?.forgo(claim);
    if (outcome === null) insides.leave(asking, answer);
    else if (settlements.length > 0) failure ??= outcome;
    else claiming?.lookAgain(AGAIN_MS);
  }
  if (answers.length === 0 && !isFurther) {
    failure ??= outcomes.find((outcome) => outcome?.status === "rejected");
  }
  if (failure === undefined) return answers;
  for (const { reply, settlements } of answers) {
    void insides.giveBack(reply.claimed);
    keepReplies(insides.late, settlements, reply.settled);
  }
  throw failure.reason;
}
