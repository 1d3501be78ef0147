// Event hubs: one subscription at the store serves many streams, and the last events are kept for those that return.
import type { EventFilter, EventView, Operations } from "../../runtime/index.ts";

/** Events kept for streams that come back with Last-Event-ID: at a few hundred bytes each, under a megabyte a hub. */
const MAX_KEPT_EVENTS = 1_000;
/** Most UTF-16 units of them together. An event carries a result, so a thousand could be 256 MiB. */
const MAX_KEPT_LENGTH = 4_194_304;
/** How long a hub without streams stays, so that a client that reconnects loses nothing. */
export const HUB_LINGER_MS = 60_000;
/** Most hubs without streams: as many as there are streams at most, which a proxy that restarts cuts all at once. */
export const MAX_LINGERING_HUBS = 1_000;

/** One event with its place in the hub's order, as JSON: written once for all streams. */
interface HubEvent {
  readonly id: string;
  readonly kind: EventView["kind"];
  readonly json: string;
}

/** Who listens to a hub. */
export interface HubListener {
  event(event: HubEvent): void;
  /** Events were lost: look again at what you follow. */
  gap(reason: string): void;
}

/** One attachment of a listener. */
export interface HubAttachment {
  detach(): void;
}

/** Follows one filter. Made by {@link createEventHubs}. */
class EventHub {
  readonly #kept: HubEvent[] = [];
  readonly #listeners = new Set<HubListener>();
  readonly #epoch: string;
  #sequence = 0;
  #keptLength = 0;
  #subscription: Promise<AsyncDisposable> | undefined;
  readonly #onLeft: (hub: EventHub) => void;

  /** `onLeft` is called whenever the last listener has gone. */
  constructor(epoch: string, onLeft: (hub: EventHub) => void) {
    this.#epoch = epoch;
    this.#onLeft = onLeft;
  }

  /** Whether anyone could come back to it: of a hub that told nothing nobody has an id. */
  get canBeResumed(): boolean {
    return this.#sequence > 0;
  }

  async attach(
    operations: Operations,
    filter: EventFilter,
    listener: HubListener,
    lastEventId: string | undefined,
  ): Promise<HubAttachment> {
    this.#listeners.add(listener);
    if (lastEventId !== undefined) this.#replay(listener, lastEventId);
    const detach = (): void => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#onLeft(this);
    };
    this.#subscription ??= operations.subscribe(
      filter,
      (event) => this.#emit(event),
      (reason) => this.#tellGap(reason),
    );
    try {
      await this.#subscription;
    } catch (thrown) {
      this.#subscription = undefined;
      detach();
      throw thrown;
    }
    return { detach };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    const subscription = await this.#subscription?.catch(() => undefined);
    await subscription?.[Symbol.asyncDispose]();
  }

  #emit(event: EventView): void {
    this.#sequence += 1;
    const id = `${this.#epoch}-${this.#sequence}`;
    const numbered = { id, kind: event.kind, json: JSON.stringify(event) };
    this.#keep(numbered);
    for (const listener of this.#listeners) listener.event(numbered);
  }

  #keep(event: HubEvent): void {
    this.#kept.push(event);
    this.#keptLength += event.json.length;
    while (this.#kept.length > MAX_KEPT_EVENTS || this.#keptLength > MAX_KEPT_LENGTH) {
      this.#keptLength -= this.#kept.shift()?.json.length ?? 0;
    }
  }

  #tellGap(reason: string): void {
    // What came before the gap must not look complete to a stream that returns.
    this.#kept.length = 0;
    this.#keptLength = 0;
    for (const listener of this.#listeners) listener.gap(reason);
  }

  #replay(listener: HubListener, lastEventId: string): void {
    const match = /^(.*)-(\d{1,15})$/.exec(lastEventId);
    const seen = Number(match?.[2]);
    const oldest = this.#sequence - this.#kept.length;
    if (match?.[1] !== this.#epoch || seen > this.#sequence || seen < oldest) {
      listener.gap("the events since the last one seen are no longer kept here");
      return;
    }
    for (const event of this.#kept.slice(seen - oldest)) listener.event(event);
  }
}

/** The hubs of a service, one for each filter that someone follows. */
export interface EventHubs {
  /**
   * Attaches a listener. With `lastEventId`, what came after it is told first, or a gap where that is not kept.
   *
   * @throws MillraceError of the store's subscription
   */
  attach(filter: EventFilter, listener: HubListener, lastEventId?: string): Promise<HubAttachment>;
  close(): Promise<void>;
}

/** Makes the hubs. `makeEpoch` gives a text that no other hub has, so that ids of another life are told apart. */
export function createEventHubs(
  operations: Operations,
  makeEpoch: () => string,
  lingerMs: number = HUB_LINGER_MS,
): EventHubs {
  const hubs = new Map<string, EventHub>();
  /** Those without streams by the timer that ends them, the one that was left first at the front. */
  const lingering = new Map<string, NodeJS.Timeout>();
  const endLinger = (key: string): void => {
    clearTimeout(lingering.get(key));
    lingering.delete(key);
  };
  const end = (key: string): void => {
    endLinger(key);
    // A store that can't be told any more keeps nothing of a subscription either.
    hubs
      .get(key)
      ?.close()
      .catch(() => {});
    hubs.delete(key);
  };
  const leave = (key: string, hub: EventHub): void => {
    if (hubs.get(key) !== hub) return;
    if (!hub.canBeResumed) return end(key);
    const timer = setTimeout(() => end(key), lingerMs);
    timer.unref();
    lingering.set(key, timer);
    const [first] = lingering.keys();
    if (lingering.size > MAX_LINGERING_HUBS && first !== undefined) end(first);
  };
  return {
    attach(filter, listener, lastEventId) {
      const key = JSON.stringify([filter.id ?? null, filter.type ?? null]);
      endLinger(key);
      let hub = hubs.get(key);
      if (hub === undefined) {
        hub = new EventHub(makeEpoch(), (left) => leave(key, left));
        hubs.set(key, hub);
      }
      return hub.attach(operations, filter, listener, lastEventId);
    },
    async close() {
      const open = [...hubs.values()];
      hubs.clear();
      for (const key of lingering.keys()) endLinger(key);
      await Promise.all(open.map((hub) => hub.close()));
    },
  };
}
