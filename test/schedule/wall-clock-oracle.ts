// The oracle of fault row S2: cron on a zone's clock by brute force, minute by minute, over what `Intl` says.
// It shares nothing with the search: expressions are matched field by field, gaps and repeats are seen as they happen.

export interface OracleRules {
  readonly skippedHour: "run-after" | "skip";
  readonly repeatedHour: "first" | "second" | "both";
}

/** Minute, hour, day of month, month, day of week: `*`, or the numbers that match. */
export interface PlainCron {
  readonly minutes: readonly number[] | "*";
  readonly hours: readonly number[] | "*";
  readonly days: readonly number[] | "*";
  readonly months: readonly number[] | "*";
  readonly weekdays: readonly number[] | "*";
}

/** The five fields as text. */
export function cronText(cron: PlainCron): string {
  return [cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays]
    .map((field) => (field === "*" ? "*" : field.join(",")))
    .join(" ");
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Around a window, so that a repeat whose other pass is outside of it is seen. */
const MARGIN_MS = 26 * HOUR_MS;

interface Minute {
  readonly atMs: number;
  /** Local time as if it were UTC. */
  readonly wallMs: number;
}

/** Local minutes of a zone, one for each minute of real time. */
export interface LocalMinutes {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly minutes: readonly Minute[];
}

/** Reads a zone's clock minute by minute over a window and its margins. */
export function readLocalMinutes(zone: string, fromMs: number, untilMs: number): LocalMinutes {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: "medium",
  });
  const minutes: Minute[] = [];
  for (let atMs = fromMs - MARGIN_MS; atMs <= untilMs + MARGIN_MS; atMs += MINUTE_MS) {
    minutes.push({ atMs, wallMs: Date.parse(`${format.format(atMs).replace(" ", "T")}Z`) });
  }
  return { fromMs, untilMs, minutes };
}

/** The moments in the window, ends included, at which a cron fires. */
export function oracleTicks(
  cron: PlainCron,
  rules: OracleRules,
  local: LocalMinutes,
): readonly number[] {
  const passes = new Map<number, number[]>();
  for (const { atMs, wallMs } of local.minutes) {
    const known = passes.get(wallMs);
    if (known === undefined) passes.set(wallMs, [atMs]);
    else known.push(atMs);
  }
  const ticks = new Set<number>();
  for (const [wallMs, atMs] of passes) {
    if (!fits(cron, wallMs)) continue;
    if (rules.repeatedHour === "first") ticks.add(Math.min(...atMs));
    else if (rules.repeatedHour === "second") ticks.add(Math.max(...atMs));
    else for (const each of atMs) ticks.add(each);
  }
  if (rules.skippedHour === "run-after") {
    for (const atMs of momentsAfterSkippedMatches(cron, local.minutes)) ticks.add(atMs);
  }
  return [...ticks]
    .filter((atMs) => atMs >= local.fromMs && atMs <= local.untilMs)
    .sort((left, right) => left - right);
}

function momentsAfterSkippedMatches(cron: PlainCron, minutes: readonly Minute[]): number[] {
  const moments: number[] = [];
  for (const [index, { atMs, wallMs }] of minutes.entries()) {
    const before = minutes[index - 1];
    if (before === undefined) continue;
    for (let skipped = before.wallMs + MINUTE_MS; skipped < wallMs; skipped += MINUTE_MS) {
      if (fits(cron, skipped)) moments.push(atMs);
    }
  }
  return moments;
}

function has(field: readonly number[] | "*", value: number): boolean {
  return field === "*" || field.includes(value);
}

function fits(cron: PlainCron, wallMs: number): boolean {
  const wall = new Date(wallMs);
  const isDay = has(cron.days, wall.getUTCDate());
  const isWeekday = has(cron.weekdays, wall.getUTCDay());
  const isDate =
    cron.days !== "*" && cron.weekdays !== "*" ? isDay || isWeekday : isDay && isWeekday;
  return (
    has(cron.minutes, wall.getUTCMinutes()) &&
    has(cron.hours, wall.getUTCHours()) &&
    has(cron.months, wall.getUTCMonth() + 1) &&
    isDate
  );
}

/** Moments, to the hour, around which a zone's clock changes. */
export function clockChanges(zone: string, fromMs: number, untilMs: number): readonly number[] {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  const offsetAt = (atMs: number): string => format.format(atMs).replace(/^.*GMT/, "");
  const changes: number[] = [];
  let offset = offsetAt(fromMs);
  for (let atMs = fromMs; atMs <= untilMs; atMs += 6 * HOUR_MS) {
    const next = offsetAt(atMs);
    if (next !== offset) changes.push(atMs);
    offset = next;
  }
  return changes;
}
