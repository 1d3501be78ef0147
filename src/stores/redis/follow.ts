// Follows events: rooms publish them only while somebody said that it listens.
import type { JobEvent } from "../../core/events.ts";
import type { Subscribe, Subscription } from "../../core/store.ts";
import { type Context, storeNowMs } from "./context.ts";
import { eventPattern } from "./layout.ts";
import type { OpenRoom } from "./rooms.ts";
import { FOLLOW } from "./scripts/follow.ts";
import type { Subscriber } from "./subscriber.ts";
import { Arguments } from "./wire.ts";

/** How long a room publishes after it was last told that somebody listens. */
const FOLLOW_MS = 30_000;
/** How often rooms are told, and asked for the number of their last message, by which silent losses show. */
const RENEW_MS = 5_000;
/** Setting of a namespace: until when somebody follows everything, new queues included. */
export const FOLLOWED_SETTING = "followed";

/** Followers of this process. */
export interface Followers {
  subscribe(request: Subscribe): Promise<Subscription>;
  close(): void;
}

/** A channel of events, with the number of its last message; -1: none came yet. */
interface Channel {
  readonly followers: Set<Subscribe>;
  lastSeq: number;
  /** What the room itself told at the last renewal: a message up to it that did not come by the next one is lost. */
  toldSeq: number;
}

interface Insides {
  readonly context: Context;
  readonly subscriber: Subscriber;
  /** Rooms that single jobs are followed in. */
  readonly single: Map<OpenRoom, Channel>;
  /** Followers of everything, or of a type: by one pattern, so that a new queue is followed from its first event. */
  readonly everywhere: Set<Subscribe>;
  readonly heard: Map<string, Channel>;
  renewal: NodeJS.Timeout | null;
}

/** Opens the followers' side of a store. */
export function openFollowers(context: Context, subscriber: Subscriber): Followers {
  const insides: Insides = {
    context,
    subscriber,
    single: new Map(),
    everywhere: new Set(),
    heard: new Map(),
    renewal: null,
  };
  const followers = (): Set<Subscribe> =>
    new Set([
      ...insides.everywhere,
      ...[...insides.single.values()].flatMap((channel) => [...channel.followers]),
    ]);
  subscriber.onLoss(() => {
    for (const { onGap } of followers()) onGap("the connection for messages was lost");
  });
  return {
    subscribe: async (request) => {
      if (request.filter.id === undefined) await followAll(insides, request);
      else await followJob(insides, request, request.filter.id);
      insides.renewal ??= setInterval(() => {
        renewAll(insides).catch(() => {});
      }, RENEW_MS).unref();
      let closing: Promise<void> | null = null;
      return { close: () => (closing ??= leave(insides, request)) };
    },
    close: () => {
      if (insides.renewal !== null) clearInterval(insides.renewal);
      insides.renewal = null;
      for (const { onGap } of followers()) onGap("the store was closed");
      insides.single.clear();
      insides.everywhere.clear();
    },
  };
}

async function followJob(insides: Insides, request: Subscribe, id: string): Promise<void> {
  const { context, subscriber, single } = insides;
  for (const room of await context.rooms.ofId(id)) {
    let channel = single.get(room);
    if (channel === undefined) {
      channel = { followers: new Set([request]), lastSeq: -1, toldSeq: -1 };
      single.set(room, channel);
      const opened = channel;
      await subscriber.subscribe(room.eventChannel, (message) => {
        hear(opened, opened.followers, message);
      });
    }
    channel.followers.add(request);
    channel.toldSeq = await renew(context, room);
    if (channel.lastSeq < 0) channel.lastSeq = channel.toldSeq;
  }
}

async function followAll(insides: Insides, request: Subscribe): Promise<void> {
  const { context, subscriber, everywhere, heard } = insides;
  const isFirst = everywhere.size === 0;
  everywhere.add(request);
  if (isFirst) {
    heard.clear();
    await subscriber.subscribeAll(eventPattern(context.namespace), (message, name) => {
      let channel = heard.get(name);
      if (channel === undefined) {
        channel = { followers: everywhere, lastSeq: -1, toldSeq: -1 };
        heard.set(name, channel);
      }
      hear(channel, everywhere, message);
    });
  }
  await renewEverywhere(insides);
}

/** Tells every room that somebody listens, and those that are yet to come by the setting. */
async function renewEverywhere({ context, heard, everywhere }: Insides): Promise<void> {
  const untilMs = (await storeNowMs(context)) - context.link.shiftMs() + FOLLOW_MS;
  await context.link.command("hset", [context.directory.settings, FOLLOWED_SETTING, untilMs]);
  const rooms = await context.rooms.all();
  await Promise.all(
    rooms.map(async (room) => {
      const seq = await renew(context, room);
      let channel = heard.get(room.eventChannel);
      if (channel === undefined) {
        channel = { followers: everywhere, lastSeq: seq, toldSeq: seq };
        heard.set(room.eventChannel, channel);
      }
      noteTold(channel, seq);
    }),
  );
}

async function renewAll(insides: Insides): Promise<void> {
  const { context, single, everywhere } = insides;
  if (everywhere.size > 0) await renewEverywhere(insides);
  await Promise.all(
    [...single].map(async ([room, channel]) => noteTold(channel, await renew(context, room))),
  );
}

/** What the room told of at the renewal before must have come by now. */
function noteTold(channel: Channel, seq: number): void {
  if (channel.lastSeq < 0) channel.lastSeq = seq;
  if (channel.toldSeq > channel.lastSeq || seq < channel.lastSeq) {
    channel.lastSeq = seq;
    for (const { onGap } of channel.followers) onGap("messages of the store were lost");
  }
  channel.toldSeq = seq;
}

/** Tells a room that somebody listens; gives the number of its last message. */
export async function renew(context: Pick<Context, "link">, room: OpenRoom): Promise<number> {
  const reply = await context.link.call(FOLLOW, room.keys, new Arguments().number(FOLLOW_MS));
  room.isFollowed = true;
  return Number(reply[1]);
}

async function leave(insides: Insides, request: Subscribe): Promise<void> {
  const { context, subscriber, single, everywhere } = insides;
  const wasEverywhere = everywhere.delete(request);
  if (wasEverywhere && everywhere.size === 0) {
    await subscriber.unsubscribeAll(eventPattern(context.namespace));
  }
  for (const [room, { followers }] of single) {
    if (!followers.delete(request) || followers.size > 0) continue;
    single.delete(room);
    await subscriber.unsubscribe(room.eventChannel);
  }
  if (everywhere.size === 0 && single.size === 0 && insides.renewal !== null) {
    clearInterval(insides.renewal);
    insides.renewal = null;
  }
}

/** A message: its number, the time, and a list of events. */
function hear(channel: Channel, followers: ReadonlySet<Subscribe>, message: Buffer): void {
  const text = message.toString();
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  const seq = Number(text.slice(0, first));
  const atMs = Number(text.slice(first + 1, second));
  if (channel.lastSeq >= 0 && seq !== channel.lastSeq + 1) {
    for (const { onGap } of followers) onGap("messages of the store were lost");
  }
  channel.lastSeq = seq;
  for (const event of JSON.parse(text.slice(second + 1)) as JobEvent[]) {
    const told = { ...event, atMs } as JobEvent;
    for (const { filter, listener } of followers) {
      if (filter.id !== undefined && filter.id !== told.id) continue;
      if (filter.type !== undefined && filter.type !== told.type) continue;
      listener(told);
    }
  }
}
