// A world of the conformance cases on a Redis server of a test's own.
import { CAPABILITIES } from "../../src/core/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { createTestClock } from "../../src/testing/index.ts";
import { type World, withWorld } from "../../src/testing/conformance/world.ts";

export interface RedisWay {
  readonly url: string;
  readonly deadlineMs?: number;
  readonly clock?: ReturnType<typeof createTestClock>;
}

/** Runs something in a namespace of its own, by a clock that it moves. */
export async function inRedisWorld(
  { url, deadlineMs = 10_000, clock = createTestClock() }: RedisWay,
  run: (world: World) => Promise<void>,
): Promise<void> {
  await withWorld(
    {
      open: ({ namespace }) => openRedisStore({ url, namespace, clock, deadlineMs }),
      advance: clock.advance,
      isShared: true,
      capabilities: CAPABILITIES,
    },
    { run },
  );
}
