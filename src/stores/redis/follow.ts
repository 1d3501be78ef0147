// Follows events: rooms publish them only while somebody said that it listens.
import type { JobEvent } from "../../core/events.ts";
import type { Subscribe, Subscription } from "../../core/store.ts";
import { type Context, storeNowMs } from "./context.ts";
import { eventPattern } from "./layout.ts";
import type { OpenRoom } from "./rooms.ts";
import { FOLLOW } from "./scripts/follow.ts";
import { PUT_FIELDS } from "./scripts/settings.ts";
import type { Subscriber } from "./link/subscriber.ts";
import { Arguments } from "./link/wire.ts";

/** How long a room publishes after it was last told that somebody listens. */
const FOLLOW_MS = 30_000;
/** How often rooms are told, and asked for the number of their last message, by which silent losses show. */
const RENEW_MS = 5_000;
/** Most messages kept for a follower while rooms are told of it: beyond them it is told of a gap. */
const MAX_HELD_MESSAGES = 10_000;
/** Setting of a namespace: until when somebody follows everything, new queues included. */
export const FOLLOWED_SETTING = "followed";

/** Followers of this process. */
export interface Followers {
  subscribe(request: Subscribe): Promise<Subscription>;
  close(): void;
}

/** A point in a room's messages: the number of its last one, and the room's time then. */
interface Point {
  readonly seq: number;
  readonly atMs: number;
}

/** A message of a room: its number, the room's time, and a list of events, still to be read. */
interface Message extends Point {
  readonly json: string;
}

/**
 * Whoever follows. A Cluster passes messages on between its nodes, so that one from before the subscription may come
 * after it: those up to where each room was then are not for this follower.
 */
interface Follower {
  readonly request: Subscribe;
  readonly since: Map<string, Point>;
  /** What came while it was not known yet where each room was; `null` once it is. */
  held: { readonly channel: string; readonly message: Message }[] | null;
}

/** A channel of events. */
interface Channel {
  readonly name: string;
  readonly followers: Set<Follower>;
  /** Number of its last message; -1: none came yet. */
  lastSeq: number;
  /** What the room told at the last regular renewal: a message up to it that did not come by the next one is lost. */
  toldSeq: number;
  /** Where the room was when it was first told of a follower here. */
  start: Point | null;
  /** Settles when its messages come. */
  opened: Promise<void>;
}

interface Insides {
  readonly context: Context;
  readonly subscriber: Subscriber;
  /** Rooms that single jobs are followed in. */
  readonly single: Map<OpenRoom, Channel>;
  /** Followers of everything, or of a type: by one pattern, so that a new queue is followed from its first event. */
  readonly everywhere: Set<Follower>;
  /** The subscription to that pattern. */
  opened: Promise<void> | null;
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
    opened: null,
    heard: new Map(),
    renewal: null,
  };
  const tellGap = (reason: string): void => {
    const followers = new Set(insides.everywhere);
    for (const channel of insides.single.values()) {
      for (const follower of channel.followers) followers.add(follower);
    }
    for (const { request } of followers) request.onGap(reason);
  };
  subscriber.onLoss(() => tellGap("the connection for messages was lost"));
  return {
    subscribe: async (request) => {
      const follower: Follower = { request, since: new Map(), held: [] };
      let closing: Promise<void> | null = null;
      const close = (): Promise<void> => (closing ??= leave(insides, follower));
      try {
        if (request.filter.id === undefined) await followAll(insides, follower);
        else await followJob(insides, follower, request.filter.id);
      } catch (error) {
        await close();
        throw error;
      }
      release(follower);
      insides.renewal ??= setInterval(() => {
        renewAll(insides).catch(() => {});
      }, RENEW_MS).unref();
      return { close };
    },
    close: () => {
      if (insides.renewal !== null) clearInterval(insides.renewal);
      insides.renewal = null;
      tellGap("the store was closed");
      insides.single.clear();
      insides.everywhere.clear();
    },
  };
}

function createChannel(name: string, followers: Set<Follower>): Channel {
  return { name, followers, lastSeq: -1, toldSeq: -1, start: null, opened: Promise.resolve() };
}

async function followJob(insides: Insides, follower: Follower, id: string): Promise<void> {
  const { context, subscriber, single } = insides;
  for (const room of await context.rooms.ofId(id)) {
    let channel = single.get(room);
    if (channel === undefined) {
      const made = createChannel(room.eventChannel, new Set());
      made.opened = subscriber.subscribe(made.name, (message) => hear(made, message));
      single.set(room, (channel = made));
    }
    channel.followers.add(follower);
    await channel.opened;
    follower.since.set(channel.name, await startIn(context, room, channel));
  }
}

async function followAll(insides: Insides, follower: Follower): Promise<void> {
  const { context, subscriber, everywhere, heard } = insides;
  everywhere.add(follower);
  if (insides.opened === null) {
    heard.clear();
    insides.opened = subscriber.subscribeAll(eventPattern(context.namespace), (message, name) => {
      hear(channelOf(insides, name), message);
    });
  }
  await insides.opened;
  await eachRoom(insides, async (room, channel) => {
    follower.since.set(channel.name, await startIn(context, room, channel));
  });
}

function channelOf({ heard, everywhere }: Insides, name: string): Channel {
  let channel = heard.get(name);
  if (channel === undefined) {
    channel = createChannel(name, everywhere);
    heard.set(name, channel);
  }
  return channel;
}

/** Does something with every room, which is told that somebody listens; those yet to come are told by the setting. */
async function eachRoom(
  insides: Insides,
  act: (room: OpenRoom, channel: Channel) => Promise<void>,
): Promise<void> {
  const { context } = insides;
  const untilMs = (await storeNowMs(context)) - context.link.shiftMs() + FOLLOW_MS;
  const setting = new Arguments().text(FOLLOWED_SETTING).number(untilMs);
  await context.link.call(PUT_FIELDS, [context.directory.settings], setting);
  const rooms = await context.rooms.all();
  await Promise.all(rooms.map((room) => act(room, channelOf(insides, room.eventChannel))));
}

/** Begins to follow a room: gives where its messages are. */
async function startIn(context: Context, room: OpenRoom, channel: Channel): Promise<Point> {
  const point = await renew(context, room);
  if (channel.start === null) {
    channel.start = point;
    channel.lastSeq = Math.max(channel.lastSeq, point.seq);
  }
  return point;
}

/** Tells the rooms again that somebody listens. */
async function renewAll(insides: Insides): Promise<void> {
  const { context, single, everywhere } = insides;
  const again = (room: OpenRoom, channel: Channel): Promise<void> =>
    renewIn(context, room, channel);
  if (everywhere.size > 0) await eachRoom(insides, again);
  await Promise.all([...single].map(([room, channel]) => again(room, channel)));
}

/** What the room told of at the renewal before must have come by now, and its numbers only grow. */
async function renewIn(context: Context, room: OpenRoom, channel: Channel): Promise<void> {
  const { lastSeq, toldSeq } = channel;
  const { seq } = await startIn(context, room, channel);
  if (toldSeq > channel.lastSeq || seq < lastSeq) {
    channel.lastSeq = seq;
    tellLost(channel);
  }
  channel.toldSeq = seq;
}

function tellLost({ followers }: Channel): void {
  for (const { request } of followers) request.onGap("messages of the store were lost");
}

/** Tells a room that somebody listens; gives where its messages are. */
export async function renew(context: Pick<Context, "link">, room: OpenRoom): Promise<Point> {
  const reply = await context.link.call(FOLLOW, room.keys, new Arguments().number(FOLLOW_MS));
  room.isFollowed = true;
  return { atMs: Number(reply[0]), seq: Number(reply[1]) };
}

async function leave(insides: Insides, follower: Follower): Promise<void> {
  const { context, subscriber, single, everywhere } = insides;
  const wasEverywhere = everywhere.delete(follower);
  const ending: Promise<void>[] = [];
  if (wasEverywhere && everywhere.size === 0) {
    insides.opened = null;
    ending.push(subscriber.unsubscribeAll(eventPattern(context.namespace)));
  }
  for (const [room, { followers }] of single) {
    if (!followers.delete(follower) || followers.size > 0) continue;
    single.delete(room);
    ending.push(subscriber.unsubscribe(room.eventChannel));
  }
  if (everywhere.size === 0 && single.size === 0 && insides.renewal !== null) {
    clearInterval(insides.renewal);
    insides.renewal = null;
  }
  await Promise.all(ending);
}

/** A message as it came: its number, the time, and a list of events. */
function hear(channel: Channel, bytes: Buffer): void {
  const text = bytes.toString();
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  const message: Message = {
    seq: Number(text.slice(0, first)),
    atMs: Number(text.slice(first + 1, second)),
    json: text.slice(second + 1),
  };
  noteHeard(channel, message);
  let events: readonly JobEvent[] | null = null;
  for (const follower of channel.followers) {
    if (follower.held !== null) {
      hold(follower.held, channel.name, message);
      continue;
    }
    events ??= readEvents(message);
    deliver(follower, channel.name, message, events);
  }
}

/** Tells of a gap before a message. What is late from before the channel was followed says nothing of one. */
function noteHeard(channel: Channel, message: Message): void {
  if (channel.start !== null) {
    if (isBefore(message, channel.start)) return;
    if (message.seq !== channel.lastSeq + 1) tellLost(channel);
  }
  channel.lastSeq = message.seq;
}

/** Whether a message was sent by then. A number alone would not tell: after a failover they may begin anew. */
function isBefore(message: Message, point: Point): boolean {
  return message.seq <= point.seq && message.atMs <= point.atMs;
}

function hold(held: NonNullable<Follower["held"]>, channel: string, message: Message): void {
  if (held.length <= MAX_HELD_MESSAGES) held.push({ channel, message });
}

/** Lets a follower have what came while it was made known. */
function release(follower: Follower): void {
  const held = follower.held ?? [];
  follower.held = null;
  for (const { channel, message } of held.slice(0, MAX_HELD_MESSAGES)) {
    deliver(follower, channel, message, readEvents(message));
  }
  if (held.length > MAX_HELD_MESSAGES) {
    follower.request.onGap("more messages came than are kept while a subscription begins");
  }
}

function readEvents({ json, atMs }: Message): readonly JobEvent[] {
  return (JSON.parse(json) as JobEvent[]).map((event) => ({ ...event, atMs }));
}

function deliver(
  { request, since }: Follower,
  channel: string,
  message: Message,
  events: readonly JobEvent[],
): void {
  const start = since.get(channel);
  if (start !== undefined && isBefore(message, start)) return;
  const { filter, listener } = request;
  for (const event of events) {
    if (filter.id !== undefined && filter.id !== event.id) continue;
    if (filter.type !== undefined && filter.type !== event.type) continue;
    listener(event);
  }
}
