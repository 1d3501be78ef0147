// What process groups use of the machine: from /proc on Linux, from ps elsewhere.
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { promisify } from "node:util";

/** What all processes of one group use together. */
export interface ResourceUse {
  readonly processes: number;
  /** User and system time since their start. */
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

interface ProcessUse {
  readonly pgid: number;
  /** Dead, and only still listed because nobody has asked for its exit code. */
  readonly isZombie: boolean;
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

/** Linux shows times in hundredths of a second to programs, whatever the kernel's own tick is. */
const MS_PER_TICK = 10;
const BYTES_PER_KIB = 1_024;
/** A listing of 10,000 processes is a fifth of it. */
const MAX_LISTING_BYTES = 2 * 1_024 * 1_024;
/** Commands of the listing come from elsewhere: this one must not hold its caller up. */
const LISTING_WITHIN_MS = 5_000;

/** Measures groups by id; a group with no living process is not in the answer. */
export async function measureGroups(
  pgids: ReadonlySet<number>,
): Promise<ReadonlyMap<number, ResourceUse>> {
  const all = process.platform === "linux" ? await listProc() : await listByPs();
  const sums = new Map<number, ResourceUse>();
  for (const use of all) {
    if (use.isZombie || !pgids.has(use.pgid)) continue;
    const sum = sums.get(use.pgid) ?? { processes: 0, cpuMs: 0, memoryBytes: 0 };
    sums.set(use.pgid, {
      processes: sum.processes + 1,
      cpuMs: sum.cpuMs + use.cpuMs,
      memoryBytes: sum.memoryBytes + use.memoryBytes,
    });
  }
  return sums;
}

async function listProc(): Promise<ProcessUse[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const uses = await Promise.all(pids.map((pid) => readProc(pid).catch(() => undefined)));
  return uses.filter((use) => use !== undefined);
}

async function readProc(pid: string): Promise<ProcessUse | undefined> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, "latin1"),
    readFile(`/proc/${pid}/status`, "latin1"),
  ]);
  const use = parseProcStat(stat);
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  return use && { ...use, memoryBytes: Number(kib ?? 0) * BYTES_PER_KIB };
}

/** Reads group, state and time from `/proc/<pid>/stat`; the command in it may hold blanks and brackets. */
export function parseProcStat(stat: string): Omit<ProcessUse, "memoryBytes"> | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [pgid, userTicks, systemTicks] = [fields[2], fields[11], fields[12]].map(Number);
  if (pgid === undefined || userTicks === undefined || systemTicks === undefined) return undefined;
  const isZombie = fields[0] === "Z" || fields[0] === "X";
  return { pgid, isZombie, cpuMs: (userTicks + systemTicks) * MS_PER_TICK };
}

async function listByPs(): Promise<ProcessUse[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pgid=,stat=,rss=,time="], {
    maxBuffer: MAX_LISTING_BYTES,
    timeout: LISTING_WITHIN_MS,
  });
  return stdout.split("\n").flatMap((line) => parsePsLine(line) ?? []);
}

/** Reads one line of `ps -o pgid=,stat=,rss=,time=`; time is `[[days-]hours:]minutes:seconds[.hundredths]`. */
export function parsePsLine(line: string): ProcessUse | undefined {
  const match = /^\s*(\d+)\s+(\S+)\s+(\d+)\s+(?:(\d+)-)?([\d:.]+)\s*$/.exec(line);
  if (match === null) return undefined;
  const [, pgid, stat = "", kib, days = "0", clock = ""] = match;
  const seconds = clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return {
    pgid: Number(pgid),
    isZombie: stat.startsWith("Z"),
    cpuMs: Math.round((Number(days) * 86_400 + seconds) * 1_000),
    memoryBytes: Number(kib) * BYTES_PER_KIB,
  };
}
