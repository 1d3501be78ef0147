// The supervisor's decisions, under a test clock and without a process.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readPolicy } from "./policy.ts";
import type { FleetPolicy, PolicyOptions } from "./policy.ts";
import { decide, nextTickAtMs } from "./reducer.ts";
import { EMPTY_FLEET } from "./state.ts";
import type { FleetChange, FleetEffect, FleetInput, FleetState, Member } from "./state.ts";

/** A fleet whose processes exist only in its orders. */
class Bench {
  nowMs = 0;
  state: FleetState = EMPTY_FLEET;
  readonly policy: FleetPolicy;
  readonly orders: Exclude<FleetEffect, { type: "tell" }>[] = [];
  readonly told: FleetChange[] = [];

  constructor(size: number, options: PolicyOptions = {}) {
    this.policy = readPolicy({ startingAtOnce: 100, ...options });
    this.hear({ type: "resize", size });
  }

  hear(input: FleetInput): void {
    const { state, effects } = decide(this.state, input, this.policy, this.nowMs, () => 1);
    this.state = state;
    for (const effect of effects) {
      if (effect.type === "tell") this.told.push(effect.event);
      else this.orders.push(effect);
    }
  }

  say(type: "ready" | "progressed", id: number): void {
    this.hear({ type, id, start: this.member(id).start });
  }

  exit(id: number): void {
    this.hear({ type: "exited", id, start: this.member(id).start, reason: "exit code 1" });
  }

  allReady(): this {
    for (const { id } of this.state.members) this.say("ready", id);
    return this;
  }

  /** Lets time pass, tick by tick as the shell would. */
  pass(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    for (;;) {
      const dueAtMs = nextTickAtMs(this.state, this.policy, this.nowMs);
      if (dueAtMs === undefined || dueAtMs > untilMs) break;
      this.nowMs = dueAtMs;
      this.hear({ type: "tick" });
    }
    this.nowMs = untilMs;
  }

  member(id: number): Member {
    const found = this.state.members.find((member) => member.id === id);
    if (found === undefined) throw new Error(`no member ${id}`);
    return found;
  }

  phases(): string {
    return this.state.members.map((member) => member.phase).join(" ");
  }

  spawned(): number[] {
    return this.orders.flatMap((order) => (order.type === "spawn" ? [order.id] : []));
  }

  signals(): string[] {
    return this.orders.flatMap((order) =>
      order.type === "signal" ? [`${order.signal} ${order.id}`] : [],
    );
  }
}

describe("starting", () => {
  test("no more than its bound start at once, the next when one is ready", () => {
    const fleet = new Bench(4, { startingAtOnce: 2 });
    expect(fleet.spawned()).toEqual([1, 2]);
    fleet.say("ready", 2);
    expect(fleet.spawned()).toEqual([1, 2, 3]);
  });

  test("a start that takes long makes room after its slot's time", () => {
    const fleet = new Bench(3, { startingAtOnce: 1, startSlot: 250 });
    fleet.pass(249);
    expect(fleet.spawned()).toEqual([1]);
    fleet.pass(1);
    expect(fleet.spawned()).toEqual([1, 2]);
    fleet.pass(250);
    expect(fleet.spawned()).toEqual([1, 2, 3]);
  });

  test("a member that is not ready in time is killed and counts as failed", () => {
    const fleet = new Bench(1, { readyWithin: "2s" });
    fleet.pass(2_000);
    expect(fleet.signals()).toEqual(["SIGKILL 1"]);
    expect(fleet.told).toContainEqual(expect.objectContaining({ type: "failed", member: 1 }));
    fleet.exit(1);
    expect(fleet.member(1)).toMatchObject({ phase: "pausing", failures: 1, crashes: 1 });
  });
});

describe("restarts", () => {
  test("pauses double without progress, up to their bound", () => {
    const fleet = new Bench(1, { backoff: { initial: 100, max: 500 }, restartLimit: 10 });
    const pauses: number[] = [];
    for (let crash = 0; crash < 5; crash++) {
      fleet.exit(1);
      const event = fleet.told.at(-1);
      pauses.push(event?.type === "restarting" ? event.pauseMs : -1);
      fleet.pass(500);
    }
    expect(pauses).toEqual([100, 200, 400, 500, 500]);
    expect(fleet.member(1)).toMatchObject({ crashes: 5, restarts: 5, start: 6 });
  });

  test("after its limit a member is degraded and told, and its siblings go on", () => {
    const fleet = new Bench(2, { restartLimit: 3 }).allReady();
    for (let crash = 0; crash < 4; crash++) {
      fleet.exit(1);
      fleet.pass(20_000);
    }
    expect(fleet.phases()).toBe("degraded ready");
    expect(fleet.told.at(-1)).toMatchObject({ type: "degraded", member: 1, failures: 4 });
    fleet.pass(3_600_000);
    expect(fleet.spawned().filter((id) => id === 1)).toHaveLength(4);
    expect(fleet.spawned().filter((id) => id === 2)).toHaveLength(1);
  });

  test("a member that works between its crashes is restarted at once and never degraded", () => {
    const fleet = new Bench(1, { restartLimit: 2 });
    for (let crash = 0; crash < 50; crash++) {
      fleet.say("ready", 1);
      fleet.pass(3_000);
      fleet.say("progressed", 1);
      fleet.exit(1);
      expect(fleet.phases()).toBe("starting");
    }
    expect(fleet.member(1)).toMatchObject({ failures: 0, crashes: 50 });
  });

  test("progress after failures resets what was held against a member", () => {
    const fleet = new Bench(1, { restartLimit: 2 });
    for (let round = 0; round < 4; round++) {
      fleet.exit(1);
      fleet.pass(1_000);
      fleet.exit(1);
      fleet.pass(1_000);
      fleet.say("ready", 1);
      fleet.say("progressed", 1);
      expect(fleet.member(1).failures).toBe(0);
      fleet.exit(1);
    }
    expect(fleet.phases()).toBe("starting");
  });

  test("to have been ready for long counts as progress", () => {
    const fleet = new Bench(1, { restartLimit: 0, stableAfter: "30s" }).allReady();
    fleet.pass(30_000);
    fleet.exit(1);
    expect(fleet.phases()).toBe("starting");
    fleet.say("ready", 1);
    fleet.pass(29_999);
    fleet.exit(1);
    expect(fleet.phases()).toBe("degraded");
  });

  test("a degraded member starts again when it is told to", () => {
    const fleet = new Bench(1, { restartLimit: 0 });
    fleet.exit(1);
    expect(fleet.phases()).toBe("degraded");
    fleet.hear({ type: "restart", ids: [1] });
    expect(fleet.member(1)).toMatchObject({ phase: "starting", failures: 0 });
  });

  test("what is heard of an earlier start is ignored", () => {
    const fleet = new Bench(1).allReady();
    fleet.say("progressed", 1);
    fleet.exit(1);
    fleet.hear({ type: "ready", id: 1, start: 1 });
    fleet.hear({ type: "exited", id: 1, start: 1, reason: "late" });
    expect(fleet.member(1)).toMatchObject({ phase: "starting", start: 2, crashes: 1 });
  });
});

describe("one for all", () => {
  test("all end with the one that crashed, and none starts before all have ended", () => {
    const fleet = new Bench(3, { strategy: "one-for-all" }).allReady();
    fleet.say("progressed", 2);
    fleet.exit(2);
    expect(fleet.signals()).toEqual(["SIGTERM 1", "SIGTERM 3"]);
    fleet.exit(1);
    expect(fleet.phases()).toBe("queued queued stopping");
    fleet.exit(3);
    expect(fleet.phases()).toBe("starting starting starting");
    expect(fleet.member(1)).toMatchObject({ crashes: 0, failures: 0, restarts: 1 });
  });

  test("when one is degraded, all are", () => {
    const fleet = new Bench(2, { strategy: "one-for-all", restartLimit: 0 }).allReady();
    fleet.exit(1);
    fleet.exit(2);
    expect(fleet.phases()).toBe("degraded degraded");
  });
});

describe("health checks", () => {
  test("are made of ready members; enough failures in a row restart one", () => {
    const fleet = new Bench(1, { health: { every: "1s", failures: 2 } });
    const checks = (): number => fleet.orders.filter((order) => order.type === "check").length;
    const answer = (isHealthy: boolean): void =>
      fleet.hear({ type: "checked", id: 1, start: fleet.member(1).start, isHealthy });
    fleet.pass(5_000);
    expect(checks()).toBe(0);
    fleet.say("ready", 1);
    for (const isHealthy of [false, true, false]) {
      fleet.pass(1_000);
      answer(isHealthy);
    }
    expect(checks()).toBe(3);
    expect(fleet.phases()).toBe("ready");
    fleet.pass(1_000);
    answer(false);
    expect(fleet.phases()).toBe("stopping");
    expect(fleet.signals()).toEqual(["SIGKILL 1"]);
  });
});

describe("scaling", () => {
  test("grows by the lowest free ids and shrinks from the highest", () => {
    const fleet = new Bench(2).allReady();
    fleet.hear({ type: "resize", size: 4 });
    expect(fleet.spawned()).toEqual([1, 2, 3, 4]);
    fleet.hear({ type: "resize", size: 1 });
    expect(fleet.phases()).toBe("ready stopping stopping stopping");
    for (const id of [2, 3, 4]) fleet.exit(id);
    expect(fleet.phases()).toBe("ready");
    fleet.hear({ type: "resize", size: 2 });
    expect(fleet.spawned().at(-1)).toBe(2);
  });
});

describe("a rolling restart", () => {
  test("takes one member at a time and waits until it is ready again", () => {
    const fleet = new Bench(2).allReady();
    fleet.hear({ type: "roll" });
    expect(fleet.phases()).toBe("stopping ready");
    fleet.exit(1);
    expect(fleet.phases()).toBe("starting ready");
    fleet.say("ready", 1);
    expect(fleet.phases()).toBe("ready stopping");
    fleet.exit(2);
    fleet.say("ready", 2);
    expect(fleet.told.at(-1)).toEqual({ type: "rolled" });
    expect(fleet.member(2)).toMatchObject({ crashes: 0, restarts: 1 });
  });

  test("halts where a member does not come back", () => {
    const fleet = new Bench(2, { restartLimit: 0 }).allReady();
    fleet.hear({ type: "roll" });
    fleet.exit(1);
    fleet.exit(1);
    expect(fleet.phases()).toBe("degraded ready");
    expect(fleet.told.at(-1)).toMatchObject({ type: "roll-halted", member: 1 });
  });
});

describe("stopping", () => {
  test("asks first and kills after the grace", () => {
    const fleet = new Bench(2, { stopGrace: "5s" }).allReady();
    fleet.hear({ type: "stop" });
    fleet.exit(1);
    fleet.pass(5_000);
    expect(fleet.signals()).toEqual(["SIGTERM 1", "SIGTERM 2", "SIGKILL 2"]);
    fleet.exit(2);
    expect(fleet.phases()).toBe("stopped stopped");
  });

  test("starts nothing any more, whatever waited", () => {
    const fleet = new Bench(3, { startingAtOnce: 1 });
    fleet.hear({ type: "stop" });
    fleet.exit(1);
    fleet.hear({ type: "resize", size: 9 });
    fleet.hear({ type: "restart", ids: [1, 2, 3] });
    fleet.hear({ type: "roll" });
    fleet.pass(60_000);
    expect(fleet.phases()).toBe("stopped stopped stopped");
    expect(fleet.spawned()).toEqual([1]);
  });
});

test("whatever happens in whatever order: one process a member, and all end when told to", () => {
  const kinds = [
    "exit",
    "ready",
    "progressed",
    "failed",
    "resize",
    "restart",
    "roll",
    "pass",
  ] as const;
  const step = fc.tuple(fc.constantFrom(...kinds), fc.integer({ min: 1, max: 5 }));
  const strategies = fc.constantFrom("one-for-one" as const, "one-for-all" as const);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), strategies, (steps, strategy) => {
      const fleet = new Bench(3, { strategy, restartLimit: 2, startingAtOnce: 2 });
      const running = (): number[] =>
        fleet.state.members.filter((m) => /starting|ready|stopping/.test(m.phase)).map((m) => m.id);
      for (const [kind, id] of steps) {
        const before = new Set(running());
        const spawnedBefore = fleet.spawned().length;
        if (kind === "pass") fleet.pass(id * 300);
        else if (kind === "resize") fleet.hear({ type: "resize", size: id });
        else if (kind === "restart") fleet.hear({ type: "restart", ids: [id] });
        else if (kind === "roll") fleet.hear({ type: "roll" });
        else if (!before.has(id)) continue;
        else if (kind === "exit") fleet.exit(id);
        else if (kind === "failed") {
          fleet.hear({ type: "failed", id, start: fleet.member(id).start, reason: "silent" });
        } else fleet.say(kind, id);
        const exited = kind === "exit" ? id : 0;
        for (const spawned of fleet.spawned().slice(spawnedBefore)) {
          expect(before.has(spawned) && spawned !== exited && kind !== "pass").toBe(false);
        }
      }
      fleet.hear({ type: "stop" });
      for (const id of running()) fleet.exit(id);
      expect(running()).toEqual([]);
      expect(nextTickAtMs(fleet.state, fleet.policy, fleet.nowMs)).toBeUndefined();
    }),
  );
});
