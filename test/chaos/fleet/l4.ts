// L4: streams that go silent are noticed within the stall timeout, and their share is given to others.
import { collect } from "millrace/fleet";
import { worker } from "../../fleet/programs.ts";
import type { Chaos, Scenario } from "../harness/index.ts";

async function run(chaos: Chaos): Promise<void> {
  const rounds = chaos.isShort ? 1 : 10;
  const samples = chaos.isShort ? 60 : 150;
  const paceMs = chaos.isShort ? 50 : 1_000;
  let stalls = 0;
  let ofOthers = 0;
  let wrong = 0;
  let longestMs = 0;
  for (let round = 0; round < rounds && !chaos.signal.aborted; round += 1) {
    const after = String(chaos.random.integer(1, 4));
    const result = await collect({
      command: worker("-pace", String(paceMs), "-only", "1,2", "-stallAfter", after),
      url: "http://localhost:{port}/rnd?n={n}",
      samples,
      workers: chaos.isShort ? 4 : 16,
      // Within it a collection ends that has no faults; the long form has the time that a member is given by default.
      ...(chaos.isShort ? { stallTimeout: "300ms" } : {}),
      signal: chaos.signal,
    });
    if (result.count !== samples || result.values.length !== samples) wrong += 1;
    longestMs = Math.max(longestMs, result.elapsedMs);
    for (const [index, member] of result.members.entries()) {
      if (index < 2) stalls += member.stalls;
      else ofOthers += member.stalls;
    }
  }
  chaos.figure("collections", rounds);
  chaos.figure("longest, in ms", Math.round(longestMs));
  chaos.must("stalls of silent members noticed", stalls, { atLeast: rounds });
  // What a busy machine makes of the others is no fault of theirs; none of it may cost a sample.
  chaos.figure("stalls of others", ofOthers);
  chaos.must("collections of another number of samples", wrong, { exactly: 0 });
}

export const scenario: Scenario = {
  id: "L4",
  fault: "fleet: streams of two members go silent; noticed, their share given to others",
  run,
};
