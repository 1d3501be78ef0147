// What a person sees of a collection: a line for each member, a bar for all, and a summary at the end.
import { formatDuration } from "../core/index.ts";
import type { CollectReport, FleetEvent, MemberReport } from "../fleet/index.ts";

const BAR_WIDTH = 30;
const MEMBER_BAR_WIDTH = 12;

/** The block of a running collection, in at most `rows` lines. */
export function collectLines(report: CollectReport, rows: number): readonly string[] {
  // One for the total, one for those left out, one for the cursor.
  const room = Math.max(1, rows - 3);
  const shown = report.members.slice(0, room);
  const hidden = report.members.slice(room);
  // Bars are of one scale: a fair share is half a bar.
  const fairShare = report.wanted / Math.max(1, report.members.length);
  return [
    ...shown.map((member) => memberLine(member, fairShare * 2)),
    ...(hidden.length === 0 ? [] : [hiddenLine(hidden)]),
    totalLine(report),
  ];
}

function memberLine({ id, phase, samples, restarts, stalls }: MemberReport, full: number): string {
  const counts = `${whole(samples, 5)} samples ${whole(restarts, 4)} restarts`;
  const stalled = stalls === 0 ? "" : ` ${whole(stalls, 3)} stalls`;
  return `${whole(id, 4)}  ${phase.padEnd(8)}  ${bar(samples / full, MEMBER_BAR_WIDTH)} ${counts}${stalled}`;
}

function hiddenLine(members: readonly MemberReport[]): string {
  const samples = members.reduce((sum, member) => sum + member.samples, 0);
  const ready = members.filter((member) => member.phase === "ready").length;
  return `      and ${members.length} more: ${ready} ready, ${samples} samples`;
}

function totalLine(report: CollectReport): string {
  const { count, wanted, elapsedMs, withinMs } = report;
  const parts = [
    `${bar(count / wanted, BAR_WIDTH)} ${count}/${wanted}`,
    seconds(elapsedMs),
    withinMs === undefined ? "" : timeLeft(withinMs - elapsedMs),
    report.crashes === 0 ? "" : `${report.crashes} crashes`,
  ];
  return parts.filter((part) => part !== "").join("  ");
}

function timeLeft(leftMs: number): string {
  return leftMs >= 0 ? `${seconds(leftMs)} left` : `${seconds(-leftMs)} late`;
}

/** The figures at the end. */
export function summaryLines(report: CollectReport): readonly string[] {
  const { count, wanted, elapsedMs, withinMs, outcome, problem, idealMs, overIdeal } = report;
  const wish = withinMs === undefined ? "" : ` (wanted within ${formatDuration(withinMs)})`;
  const why = problem === undefined ? "" : `: ${problem}`;
  const ideal =
    idealMs === undefined || overIdeal === undefined
      ? "ideal unknown"
      : `ideal ${seconds(idealMs)}, ${percent(overIdeal)} over it`;
  const first = report.timeToFirstSampleMs;
  const other = report.garbageLines + report.tooLongLines;
  return [
    `${outcome}: ${count} of ${wanted} samples in ${seconds(elapsedMs)}${wish}${why}`,
    `${ideal}; first sample after ${first === undefined ? "-" : seconds(first)}`,
    `${report.crashes} crashes, ${report.restarts} restarts, ${report.stalls} stalls, ${other} lines that were no samples`,
    `samples by member: ${report.members.map(({ id, samples }) => `${id}:${samples}`).join(" ")}`,
  ];
}

/** A change worth a line where there is no live block; undefined for one that is not. */
export function eventLine(event: FleetEvent): string | undefined {
  if (event.type === "crashed" || event.type === "failed") {
    return `member ${event.member} ${event.type}: ${event.reason}`;
  }
  if (event.type === "degraded") {
    return `member ${event.member} was given up after ${event.failures} failures in a row: ${event.reason}`;
  }
  if (event.type === "unguarded") {
    return "the guardian process can't be kept running: kill -9 of this process would leave members behind";
  }
  return undefined;
}

function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

function whole(value: number, width: number): string {
  return String(value).padStart(width);
}
