// Followers: BullMQ's own events and those of Millrace as one row of changes, each told once.
import type { JobChange, JobEvent } from "../../core/events.ts";
import type { Subscribe, Subscription } from "../../core/store.ts";
import { entryOf } from "./keys.ts";
import type { Link } from "./link.ts";
import { type Notice, OWN_EVENT } from "./notices.ts";
import type { Reader, StreamEvent } from "./reader.ts";
import { idOf } from "./records.ts";

/** What is known of a job by its events. */
interface Known {
  readonly id: string;
  readonly type: string;
}

/** Jobs whose type is remembered; the oldest are forgotten, and looked up when they are told of again. */
const MAX_KNOWN = 10_000;

/** Follows events until closed. */
export async function follow(
  link: Link,
  reader: Reader,
  { filter, listener, onGap }: Subscribe,
): Promise<Subscription> {
  let isOpen = true;
  const deliver = (event: JobEvent): void => {
    const fits =
      (filter.id === undefined || event.id === filter.id) &&
      (filter.type === undefined || event.type === filter.type);
    if (isOpen && fits) listener(event);
  };
  const translator = new Translator(link, deliver);
  const end = await reader.listen({
    event: (event) => translator.hear(event),
    gap: (reason) => {
      if (isOpen) onGap(reason);
    },
  });
  return {
    close: async () => {
      isOpen = false;
      end();
    },
  };
}

/** Makes job events of stream events, in their order. */
class Translator {
  readonly #link: Link;
  readonly #deliver: (event: JobEvent) => void;
  readonly #known = new Map<string, Known>();
  /** Notices whose event of BullMQ's is still to come. */
  readonly #covering = new Map<string, Notice>();
  readonly #added = new Set<string>();
  #pending: Promise<void> | null = null;

  constructor(link: Link, deliver: (event: JobEvent) => void) {
    this.#link = link;
    this.#deliver = deliver;
  }

  hear(event: StreamEvent): void {
    const bullId = event.fields["jobId"] ?? "";
    const key = entryOf(event.queue, bullId);
    if (event.event === "added") {
      this.#added.add(key);
      // The id of another producer's job depends on its time, which this event does not tell.
      if (idOf(event.queue, bullId, 0) === bullId) {
        this.#remember(key, { id: bullId, type: event.fields["name"] ?? "" });
      }
      return;
    }
    const change = changeOf(event, this.#added.delete(key));
    const job = this.#known.get(key);
    const mustAsk = job === undefined && !this.#covering.has(key) && change !== null;
    if (this.#pending === null && !mustAsk) {
      this.#translate(event, job, change);
      return;
    }
    // Someone else's job that this follower has not heard of: it is asked for, and the events behind wait their turn.
    const turn = this.#ask(this.#pending, key, event, change, mustAsk);
    this.#pending = turn;
    void turn.finally(() => {
      if (this.#pending === turn) this.#pending = null;
    });
  }

  async #ask(
    before: Promise<void> | null,
    key: string,
    event: StreamEvent,
    change: JobChange | null,
    mustAsk: boolean,
  ): Promise<void> {
    await before;
    let job = this.#known.get(key);
    if (job === undefined && mustAsk) {
      job = await ask(this.#link, event).catch(() => undefined);
      if (job !== undefined) this.#remember(key, job);
    }
    this.#translate(event, job, change);
  }

  #translate(event: StreamEvent, job: Known | undefined, change: JobChange | null): void {
    const key = entryOf(event.queue, event.fields["jobId"] ?? "");
    if (event.event === OWN_EVENT) {
      const notice = JSON.parse(event.fields["body"] ?? "{}") as Notice;
      if (notice.covers === null) this.#tell(notice, "null");
      else this.#covering.set(key, notice);
      return;
    }
    const notice = this.#covering.get(key);
    if (notice?.covers === event.event) {
      this.#covering.delete(key);
      this.#tell(notice, event.fields["returnvalue"] ?? "null");
    } else if (change !== null && job !== undefined) {
      this.#deliver({ ...job, queue: event.queue, atMs: event.atMs, ...change });
    }
  }

  #tell({ id, type, queue, bullId, atMs, changes }: Notice, result: string): void {
    this.#remember(entryOf(queue, bullId), { id, type });
    for (const change of changes) {
      const told = change.kind === "succeeded" ? { ...change, result } : change;
      this.#deliver({ id, type, queue, atMs, ...told });
    }
  }

  #remember(key: string, job: Known): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value ?? "");
    this.#known.set(key, job);
  }
}

async function ask(link: Link, { queue, fields }: StreamEvent): Promise<Known | undefined> {
  const bullId = fields["jobId"] ?? "";
  const [reply] = await link.read([["HMGET", link.keys.bull(queue, bullId), "name", "timestamp"]]);
  const [type, timestamp] = reply as readonly (string | null)[];
  if (type == null) return undefined;
  return { id: idOf(queue, bullId, Number(timestamp ?? 0)), type };
}

/** What one of BullMQ's own events says of a job's life; `null`: nothing that is told. */
function changeOf({ event, fields }: StreamEvent, wasAdded: boolean): JobChange | null {
  switch (event) {
    case "waiting":
      return wasAdded ? { kind: "enqueued", state: "ready" } : null;
    case "delayed":
      return wasAdded ? { kind: "enqueued", state: "scheduled" } : null;
    case "completed":
      return { kind: "succeeded", result: fields["returnvalue"] ?? "null" };
    case "failed":
      return { kind: "failed", error: { name: "Error", message: fields["failedReason"] ?? "" } };
    case "progress":
      return { kind: "progress", progress: fields["data"] ?? "null" };
    case "removed":
      return { kind: "removed" };
    default:
      return null;
  }
}
