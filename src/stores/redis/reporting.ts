// Keeps what running jobs report: progress and log lines.
import type { JobChange } from "../../core/events.ts";
import type { JobReport } from "../../core/store.ts";
import { type Context, callOnce } from "./context.ts";
import type { Exchanger } from "./exchange/exchange.ts";
import { readJobs } from "./reading.ts";
import type { OpenRoom } from "./rooms.ts";
import { REPORT } from "./scripts/report.ts";

/** Reports in one call. */
const MAX_REPORTS = 200;

/** Keeps reports; `false` for those whose claim does not stand. */
export async function keepReports(
  context: Context,
  exchanger: Exchanger,
  reports: readonly JobReport[],
): Promise<readonly boolean[]> {
  const replies: boolean[] = reports.map(() => false);
  const byRoom = new Map<OpenRoom, number[]>();
  for (const [at, { id, token }] of reports.entries()) {
    const held = exchanger.find(token);
    const rooms = held === undefined ? await context.rooms.ofId(id) : [held.room];
    for (const room of rooms) {
      const list = byRoom.get(room);
      if (list === undefined) byRoom.set(room, [at]);
      else list.push(at);
    }
  }
  await Promise.all(
    [...byRoom].map(async ([room, places]) => {
      for (let from = 0; from < places.length; from += MAX_REPORTS) {
        const part = places.slice(from, from + MAX_REPORTS);
        const kept = await keepInRoom(
          context,
          exchanger,
          room,
          part.map((at) => reports[at] as JobReport),
        );
        for (const [index, at] of part.entries()) if (kept[index] === true) replies[at] = true;
      }
    }),
  );
  return replies;
}

async function keepInRoom(
  context: Context,
  exchanger: Exchanger,
  room: OpenRoom,
  reports: readonly JobReport[],
): Promise<readonly boolean[]> {
  const claims = await claimsOf(context, exchanger, room, reports);
  const reply = await callOnce(context, room, REPORT, (args) => {
    args.number(reports.length);
    for (const [index, report] of reports.entries()) {
      const { worker, type } = claims[index] ?? { worker: "", type: "" };
      const lines = report.logs ?? [];
      args
        .id(report.id)
        .text(`${worker}\0${report.token}`)
        .text(report.progress ?? "");
      args.number(lines.length);
      for (const line of lines) args.text(JSON.stringify(line));
      const events = room.isFollowed ? changesOf(report) : [];
      args.number(events.length);
      for (const change of events) {
        args.text(JSON.stringify({ id: report.id, type, queue: room.queue, ...change }));
      }
    }
  });
  return Array.from(String(reply[2]), (letter) => letter === "a");
}

/** The worker and type of each report's claim: known where it was claimed here, read otherwise. */
async function claimsOf(
  context: Context,
  exchanger: Exchanger,
  room: OpenRoom,
  reports: readonly JobReport[],
): Promise<readonly { readonly worker: string; readonly type: string }[]> {
  const unknown = reports.filter(({ token }) => exchanger.find(token) === undefined);
  const read = await readJobs(
    context,
    room,
    unknown.map(({ id }) => id),
  );
  const byId = new Map(unknown.map(({ id }, index) => [id, read[index] ?? null]));
  return reports.map(({ id, token }) => {
    const held = exchanger.find(token);
    if (held !== undefined) return { worker: held.worker, type: held.lane.type };
    const record = byId.get(id)?.record;
    return { worker: record?.worker ?? "", type: record?.type ?? "" };
  });
}

function changesOf(report: JobReport): JobChange[] {
  const changes: JobChange[] = [];
  if (report.progress !== undefined) changes.push({ kind: "progress", progress: report.progress });
  for (const { level, message } of report.logs ?? []) {
    changes.push({ kind: "log", level, message });
  }
  return changes;
}
