// A workflow run on a terminal: its steps as a tree, with a timeline beside it.
import { formatDuration, isTerminal, messageWithCauses } from "../core/index.ts";
import type { RunView, StepState, StepView } from "../runtime/index.ts";
import { brief, clean, paint, paintState, widthOf } from "./output.ts";

/** Steps of one name in a row that are shown one by one; more become a line that counts them. */
const MAX_ALIKE = 8;
/** Of steps that are counted: failures shown by themselves. */
const MAX_SHOWN_FAILURES = 3;
const MAX_NAME = 40;
const MAX_ERROR = 200;
/** The timeline takes what the tree leaves, within these. */
const MIN_BAR = 10;
const MAX_BAR = 48;
/** Parents that a step names. */
const MAX_PARENTS = 4;

/** How a run is drawn. */
export interface RunDrawing {
  /** Columns of the terminal. */
  readonly width: number;
  /** What a step that goes on is drawn up to. */
  readonly nowMs: number;
  /** Runs that are steps of it, by their job's id. */
  readonly children: ReadonlyMap<string, RunView>;
}

interface Row {
  readonly left: string;
  /** Begun, started, ended: on the time line; `null` for a line without a bar. */
  readonly span: Span | null;
}
interface Span {
  readonly beganMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly state: StepState;
}

const MARKS: Readonly<Record<StepState, string>> = {
  waiting: "◌",
  running: "●",
  succeeded: "✓",
  failed: "✗",
  cancelled: "–",
};
const COLOURS = {
  waiting: "magenta",
  running: "yellow",
  succeeded: "green",
  failed: "red",
  cancelled: "gray",
} as const satisfies Record<StepState, Parameters<typeof paint>[0]>;

/** The lines that show a run: a head, a line a step with its bar, and what was undone. */
export function drawRun(run: RunView, drawing: RunDrawing): readonly string[] {
  const rows = rowsOf(run, drawing, "");
  const leftWidth = Math.max(0, ...rows.map(({ left }) => widthOf(left)));
  const barWidth = Math.min(MAX_BAR, Math.max(MIN_BAR, drawing.width - leftWidth - 3));
  const from = Date.parse(run.startedAt ?? run.enqueuedAt);
  const until = run.endedAt === null ? drawing.nowMs : Date.parse(run.endedAt);
  const scale = { from, length: Math.max(1, until - from), width: barWidth };
  return [
    headOf(run, drawing.nowMs),
    ...rows.map(({ left, span }) =>
      span === null
        ? left
        : `${left}${" ".repeat(leftWidth - widthOf(left))}  ${drawBar(span, scale)}`.trimEnd(),
    ),
    ...undoLines(run),
  ];
}

function headOf(run: RunView, nowMs: number): string {
  const endMs = run.endedAt === null ? nowMs : Date.parse(run.endedAt);
  const tookMs = run.startedAt === null ? null : endMs - Date.parse(run.startedAt);
  const parts = [
    paint("bold", clean(run.type)),
    run.id,
    paintState(run.state),
    tookMs === null ? "" : formatDuration(Math.max(0, tookMs)),
    run.worker !== null && !isTerminal(run.state) ? `on ${clean(run.worker)}` : "",
    run.cancelRequested === null ? "" : `cancel asked: ${brief(run.cancelRequested.reason, 60)}`,
  ];
  const head = parts.filter((part) => part !== "").join("  ");
  return run.error === null
    ? head
    : `${head}\n${paint("red", brief(`${run.error.name}: ${run.error.message}`, MAX_ERROR))}`;
}

function rowsOf(run: RunView, drawing: RunDrawing, indent: string): readonly Row[] {
  const groups = groupAlike(run.steps);
  return groups.flatMap((group, index) => {
    const isLast = index === groups.length - 1;
    const branch = `${indent}${isLast ? "└─" : "├─"} `;
    const inner = `${indent}${isLast ? "  " : "│ "} `;
    return group.length > MAX_ALIKE
      ? countedRows(group, drawing, branch, inner)
      : // Of several in a group each is a line of its own; only the last one may close the tree.
        group.flatMap((step, place) => {
          const isEnd = isLast && place === group.length - 1;
          const own = `${indent}${isEnd ? "└─" : "├─"} `;
          return stepRows(step, drawing, own, `${indent}${isEnd ? "  " : "│ "} `);
        });
  });
}

/** Steps that follow each other and have one name. */
function groupAlike(steps: readonly StepView[]): readonly (readonly StepView[])[] {
  const groups: StepView[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last?.[0]?.name === step.name) last.push(step);
    else groups.push([step]);
  }
  return groups;
}

function stepRows(
  step: StepView,
  drawing: RunDrawing,
  branch: string,
  inner: string,
): readonly Row[] {
  const span = spanOf(step, drawing.nowMs);
  const left = `${branch}${markOf(step.state)} ${step.step} ${describe(step)}  ${timeOf(step, span)}`;
  const child = step.jobId === null ? undefined : drawing.children.get(step.jobId);
  return [
    { left, span },
    ...(step.error === null || step.state === "cancelled"
      ? []
      : [
          {
            left: `${inner}${paint("red", brief(messageWithCauses(step.error), MAX_ERROR))}`,
            span: null,
          },
        ]),
    ...(child === undefined ? [] : rowsOf(child, drawing, inner)),
  ];
}

function countedRows(
  steps: readonly StepView[],
  drawing: RunDrawing,
  branch: string,
  inner: string,
): readonly Row[] {
  const counts = Map.groupBy(steps, ({ state }) => state);
  const told = [...counts].map(([state, those]) => `${those.length} ${state}`).join(", ");
  const spans = steps.map((step) => spanOf(step, drawing.nowMs));
  const worst = (["failed", "running", "waiting", "succeeded", "cancelled"] as const).find(
    (state) => counts.has(state),
  ) as StepState;
  const span: Span = {
    beganMs: Math.min(...spans.map(({ beganMs }) => beganMs)),
    startedMs: Math.min(...spans.map(({ startedMs }) => startedMs)),
    endedMs: Math.max(...spans.map(({ endedMs }) => endedMs)),
    state: worst,
  };
  const first = steps[0] as StepView;
  const failures = (counts.get("failed") ?? []).slice(0, MAX_SHOWN_FAILURES);
  return [
    {
      left: `${branch}${markOf(worst)} ${first.step}… ${brief(first.name, MAX_NAME)} ×${steps.length}  ${told}`,
      span,
    },
    ...failures.flatMap((step) => stepRows(step, drawing, inner, inner)),
  ];
}

function describe(step: StepView): string {
  const name = brief(step.name, MAX_NAME);
  if (step.undoes !== null) return `${name} ${paint("gray", `↩ undoes ${step.undoes}`)}`;
  const { parents } = step;
  if (parents.length === 0) return name;
  const told = parents.slice(0, MAX_PARENTS).join(" ");
  return `${name} ${paint("gray", `← ${told}${parents.length > MAX_PARENTS ? " …" : ""}`)}`;
}

function timeOf(step: StepView, span: Span): string {
  if (step.state === "waiting" && step.until !== null) return `until ${step.until.slice(0, 19)}Z`;
  const took = formatDuration(Math.max(0, span.endedMs - span.beganMs));
  return step.attempts > 1 ? `${took}, ${step.attempts} attempts` : took;
}

function spanOf(step: StepView, nowMs: number): Span {
  const beganMs = Date.parse(step.beganAt);
  const endedMs = step.endedAt === null ? Math.max(nowMs, beganMs) : Date.parse(step.endedAt);
  const startedMs = step.startedAt === null ? endedMs : Date.parse(step.startedAt);
  // A sleep or a wait is all waiting; a local function all work.
  const isWork = step.kind === "job" || step.kind === "local";
  const workFrom = step.kind === "local" && step.startedAt === null ? beganMs : startedMs;
  return { beganMs, startedMs: isWork ? workFrom : endedMs, endedMs, state: step.state };
}

function drawBar(
  { beganMs, startedMs, endedMs, state }: Span,
  scale: { readonly from: number; readonly length: number; readonly width: number },
): string {
  const cell = (atMs: number): number =>
    Math.min(
      scale.width,
      Math.max(0, Math.round(((atMs - scale.from) / scale.length) * scale.width)),
    );
  const from = Math.min(cell(beganMs), scale.width - 1);
  // The shortest step is still to be seen.
  const until = Math.max(from + 1, cell(endedMs));
  const work = endedMs > startedMs ? Math.min(Math.max(from, cell(startedMs)), until - 1) : until;
  const waited = "·".repeat(work - from);
  return `${" ".repeat(from)}${waited}${paint(COLOURS[state], "━".repeat(until - work))}`;
}

function markOf(state: StepState): string {
  return paint(COLOURS[state], MARKS[state]);
}

function undoLines(run: RunView): readonly string[] {
  const { undone, notUndone, notUndoneCount } = run;
  const untold = notUndoneCount - notUndone.length;
  return [
    ...(undone.length === 0 ? [] : [`undone: ${undone.join(", ")}`]),
    ...notUndone.map(({ step, error }) =>
      paint("red", `not undone: ${step}, ${brief(messageWithCauses(error), MAX_ERROR)}`),
    ),
    ...(untold > 0 ? [paint("red", `not undone: ${untold} more`)] : []),
  ];
}
