// Millrace's own figures, in the directory: counts of windows, which are added to what is there.
import {
  type Figures,
  type FiguresRequest,
  type NewFigures,
  RESOLUTIONS,
  type Resolution,
  windowStartMs,
} from "../../core/figures.ts";
import type { Context } from "./context.ts";
import { ADD_FIGURES, FORGET_FIGURES, READ_FIGURES } from "./scripts/figures.ts";
import { Arguments, readTime } from "./link/wire.ts";

const LETTERS: Readonly<Record<Resolution, string>> = { minute: "m", hour: "h" };
/** Bytes of a window's name before its type. */
const WINDOW_HEAD_BYTES = 7;

/** Adds counts of minutes to their minutes and to their hours. */
export async function addFigures(context: Context, figures: readonly NewFigures[]): Promise<void> {
  if (figures.length === 0) return;
  const args = new Arguments().raw(context.nextNonce());
  for (const { startMs, type, counts } of figures) {
    for (const resolution of RESOLUTIONS) {
      args.raw(
        Buffer.concat([
          Buffer.from(LETTERS[resolution]),
          timeBytes(windowStartMs(resolution, startMs)),
          Buffer.from(type),
        ]),
      );
      args.text(JSON.stringify(counts));
    }
  }
  await context.link.call(ADD_FIGURES, context.directory.figureKeys, args);
}

/** The windows asked for, oldest first. */
export async function readFigures(
  context: Context,
  { resolution, fromMs, type }: FiguresRequest,
): Promise<readonly Figures[]> {
  const args = new Arguments()
    .text(LETTERS[resolution])
    .raw(timeBytes(Math.max(0, Math.ceil(fromMs))))
    .text(type ?? "");
  const reply = await context.link.call(READ_FIGURES, context.directory.figureKeys, args);
  const figures: Figures[] = [];
  for (let at = 0; at + 1 < reply.length; at += 2) {
    const window = reply[at] as Buffer;
    figures.push({
      resolution,
      startMs: readTime(window, 1),
      type: window.toString("utf8", WINDOW_HEAD_BYTES),
      counts: JSON.parse(String(reply[at + 1])) as Record<string, number>,
    });
  }
  return figures;
}

/** Forgets windows that were kept long enough, at most `limit`. Gives back how many. */
export async function forgetFigures(context: Context, limit: number): Promise<number> {
  const args = new Arguments().number(limit);
  const reply = await context.link.call(FORGET_FIGURES, context.directory.figureKeys, args);
  return Number(reply[0]);
}

function timeBytes(timeMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(6);
  bytes.writeUIntBE(timeMs, 0, 6);
  return bytes;
}
