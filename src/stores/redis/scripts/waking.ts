// Who waits for work: the registry of idle workers, and how scripts wake them.
import { PRESENCE_PREFIX } from "../layout.ts";

/** Scores of idle workers: a lane's begin at its number times this, and their free slots are added. */
export const LANE_SPAN = 1_048_576;

/** Fractions of an idle worker's score: whether jobs may be handed to it, and its primary sees besides whether it lives. */
export const TAKES_HANDED = 0.5;
export const TAKES_HANDED_AND_IS_SEEN = 0.75;

/**
 * An expression: whether an idle worker that its primary saw is seen no more (presence.ts), as a rule because it was
 * killed. Where the user of the store may not ask, nobody is held to be gone.
 */
export function isUnseen(worker: string, score: string): string {
  return `${score} % 1 > ${TAKES_HANDED} and redis.pcall('PUBSUB', 'NUMSUB', '${PRESENCE_PREFIX}' .. ${worker})[2] == 0`;
}

/**
 * Most that one call wakes beside as many as are needed: after a failover all who live may be unseen until they have
 * found their new primary.
 */
const MAX_UNSEEN_WOKEN = 100;

/** For scripts that make something claimable: wakes idle workers that serve the lane until their free slots suffice. */
export const WAKING: string = `
local LANE_SPAN = ${LANE_SPAN}
local function wake(lane, jobs)
  local unseen = 0
  local low = (byte(lane, 1) * 256 + byte(lane, 2)) * LANE_SPAN
  while jobs > 0 do
    local most = call('ZRANGE', IDLE, low + LANE_SPAN - 1, low, 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')
    if not most[1] then return end
    local worker = sub(most[1], 3)
    call('ZREM', IDLE, most[1])
    local heard = call('PUBLISH', 'mr1|w|' .. worker, 'w' .. lane .. META)
    -- One that left or died while it was idle stands here still, and takes none.
    local is_there = heard > 0
    if not is_there and not COUNTS_ALL then
      is_there = unseen == ${MAX_UNSEEN_WOKEN} or not (${isUnseen("worker", "most[2]")})
      if not is_there then unseen = unseen + 1 end
    end
    local lease = is_there and call('ZSCORE', TIMERS, 'l' .. worker)
    if lease and tonumber(lease) > now then jobs = jobs - floor(most[2] - low) end
  end
end
local function wake_all()
  local told_workers = {}
  for _, member in ipairs(call('ZRANGE', IDLE, 1, '+inf', 'BYSCORE')) do
    local worker = sub(member, 3)
    if not told_workers[worker] then
      told_workers[worker] = true
      call('PUBLISH', 'mr1|w|' .. worker, 'w\\0\\0' .. META)
    end
  end
  call('ZREMRANGEBYSCORE', IDLE, 0, '+inf')
end
`;
