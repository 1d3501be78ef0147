// Which claims suspicion forbids: suspects go only into an idle worker, and few beside them.
import type { ExchangeRequest } from "../../../core/store.ts";
import type { Claiming } from "./claiming.ts";
import type { Held } from "./claims.ts";
import type { Insides } from "./exchange.ts";
import type { OpenRoom } from "../rooms.ts";
import { askRound } from "./round.ts";
import { SUSPECT_PATIENCE_MS } from "./suspects.ts";

/** What a worker may claim now, as far as suspicion goes. */
export function allowanceOf(
  insides: Pick<Insides, "held" | "waiting">,
  request: ExchangeRequest,
  rooms: readonly OpenRoom[],
): {
  readonly left: number;
  readonly mayTakeSuspects: boolean;
  readonly mustLookForSuspects: boolean;
} {
  const capacity = request.claim?.capacity ?? 0;
  const not = { mayTakeSuspects: false, mustLookForSuspects: false };
  if (!rooms.some(hasSuspectLanes)) return { left: capacity, ...not };
  const ending = new Set(request.settlements.map(({ token }) => token));
  const running: Held[] = [];
  for (const held of insides.held.values()) {
    const isOwn = held.worker === request.worker && !ending.has(held.token);
    // A workflow run that only waits is no company.
    if (isOwn && !insides.waiting.has(held.token)) running.push(held);
  }
  const companies = running.map(({ lane }) => lane.company).filter((company) => company > 0);
  if (companies.length > 0) {
    const most = Math.min(...companies) - running.length;
    return { left: Math.max(0, Math.min(capacity, most)), ...not };
  }
  if (request.claim?.isYoung === true) return { left: capacity, ...not };
  const isDraining = running.length > 0 && rooms.some(isImpatient);
  return {
    left: isDraining ? 0 : capacity,
    mayTakeSuspects: running.length === 0,
    mustLookForSuspects:
      running.length > 0 &&
      rooms.some((room) => performance.now() - room.suspectsLookedAtMs >= LOOK_MS),
  };
}

function hasSuspectLanes(room: OpenRoom): boolean {
  return room.lanes.all.some(({ company }) => company > 0);
}

/** A suspect waited long for an idle worker: the next that asks takes nothing until it is one. */
function isImpatient(room: OpenRoom): boolean {
  return (
    room.suspectsSinceMs !== null && performance.now() - room.suspectsSinceMs >= SUSPECT_PATIENCE_MS
  );
}

/** How often a busy worker looks whether suspects wait. */
const LOOK_MS = 1_000;

/** Sees whether suspects wait for an idle worker, so that a busy one drains for them in the end. */
export async function lookForSuspects(
  insides: Insides,
  request: ExchangeRequest,
  claiming: Claiming,
): Promise<void> {
  for (const room of claiming.rooms) {
    if (!hasSuspectLanes(room) || room.unanswered > 0) continue;
    room.suspectsLookedAtMs = performance.now();
    let isWaiting = false;
    for (const company of companiesOf([room])) {
      claiming.company = company;
      claiming.shares = new Map([[room, 0]]);
      const [answer] = await askRound(insides, request, { ...NO_SETTLEMENTS, claiming });
      isWaiting ||= answer?.reply.hasMore === true;
      claiming.endRound();
    }
    room.suspectsSinceMs = isWaiting ? (room.suspectsSinceMs ?? performance.now()) : null;
  }
  claiming.company = 0;
}

/** Rooms are asked one by one: for none that is silent the others wait, nor what was claimed of them. */
const NO_SETTLEMENTS = { byRoom: new Map<OpenRoom, never[]>(), isFurther: true };

/** Company that the suspects of rooms bear, least first. */
function companiesOf(rooms: readonly OpenRoom[]): readonly number[] {
  const companies = rooms.flatMap(({ lanes }) => lanes.all.map(({ company }) => company));
  return [...new Set(companies)].filter((company) => company > 0).sort((a, b) => a - b);
}

/** Claims suspects, those who bear the least company first; where there are any, nothing else is claimed. */
export async function claimSuspects(
  insides: Insides,
  request: ExchangeRequest,
  claiming: Claiming,
): Promise<void> {
  const rooms = claiming.rooms.filter(hasSuspectLanes);
  for (const company of companiesOf(rooms)) {
    for (const room of rooms) {
      const share = Math.min(company - claiming.claimed.length, claiming.left);
      if (share <= 0) break;
      if (room.unanswered > 0) continue;
      claiming.company = company;
      claiming.shares = new Map([[room, share]]);
      const round = { ...NO_SETTLEMENTS, claiming };
      for (const { reply } of await askRound(insides, request, round)) {
        claiming.take(reply);
        if (reply.claimed.length > 0) room.suspectsSinceMs = null;
      }
      claiming.endRound();
    }
    claiming.company = 0;
    if (claiming.claimed.length > 0) {
      claiming.left = 0;
      return;
    }
  }
}
