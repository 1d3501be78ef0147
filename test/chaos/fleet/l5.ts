// L5: streams that come byte by byte, and lines that never end: parsed, in bounded memory.
import { type CollectResult, collect } from "millrace/fleet";
import { worker } from "../../fleet/programs.ts";
import type { Chaos, Scenario } from "../harness/index.ts";

/** What 16 MiB of one stream leave to be collected, for all that may send so much at once. */
const MEMORY_CAP_BYTES = 256 * 1_024 * 1_024;

async function gather(chaos: Chaos, ...faults: string[]): Promise<CollectResult<number>> {
  return collect({
    command: worker("-pace", "20", ...faults),
    url: "http://localhost:{port}/rnd?n={n}",
    samples: chaos.isShort ? 60 : 1_000,
    workers: 4,
    stallTimeout: "1s",
    signal: chaos.signal,
  });
}

async function run(chaos: Chaos): Promise<void> {
  const samples = chaos.isShort ? 60 : 1_000;
  const split = await gather(chaos, "-split", "-garbage", "0.5");
  chaos.must("samples of lines in pieces", split.values.length, { exactly: samples });
  chaos.must("garbage lines skipped", split.garbageLines, { atLeast: 1 });
  const before = process.memoryUsage().arrayBuffers;
  let highest = 0;
  const watch = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage().arrayBuffers - before);
  }, 5);
  chaos.use({ [Symbol.dispose]: () => clearInterval(watch) });
  const endless = await gather(chaos, "-only", "1,2", "-endlessAfter", "3");
  chaos.must("samples beside lines without end", endless.values.length, { exactly: samples });
  chaos.must("lines dropped as too long", endless.tooLongLines, { atLeast: 1 });
  chaos.must("memory taken, in MiB", Math.round(highest / 1_048_576), {
    atMost: MEMORY_CAP_BYTES / 1_048_576,
  });
}

export const scenario: Scenario = {
  id: "L5",
  fault: "fleet: streams split at every byte, with garbage; lines without end",
  run,
};
