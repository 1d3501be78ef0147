// What the parts of an open store share.
import { DEFAULT_STORE_POLICY, type StorePolicy } from "../../core/transitions.ts";
import type { RetentionPolicy, TypeRecord } from "../../core/store.ts";
import type { Delivered } from "./delivered.ts";
import type { Directory } from "./layout.ts";
import type { Link } from "./link/link.ts";
import type { OpenRoom, Rooms } from "./rooms.ts";
import { noteArrived, takeArrived } from "./rooms.ts";
import type { Script } from "./scripts/script.ts";
import { Arguments } from "./link/wire.ts";

/** An open store's insides. */
export interface Context {
  readonly link: Link;
  readonly namespace: string;
  readonly directory: Directory;
  readonly rooms: Rooms;
  readonly nextNonce: () => Buffer;
  /** How long an exchange waits for rooms that are silent, once others answered. */
  readonly patienceMs: number;
  /** How long where nobody has answered yet. */
  readonly firstAnswerMs: number;
  /** What was brought to where it belongs. */
  readonly delivered: Delivered;
  /** The types that were made known. */
  readonly types: {
    /** As they were a moment ago; where they can't be read now, as they were read last. */
    read(): Promise<ReadonlyMap<string, TypeRecord>>;
    /** As they are. */
    readAnew(): Promise<ReadonlyMap<string, TypeRecord>>;
    forget(): void;
  };
}

/** Calls a script that recognises repetitions: its first two arguments are the nonce and what arrived. */
export async function callOnce(
  context: Context,
  room: OpenRoom,
  script: Script,
  write: (args: Arguments, nonce: Buffer) => void,
  given?: Buffer,
): Promise<readonly unknown[]> {
  const nonce = given ?? context.nextNonce();
  const args = new Arguments().raw(nonce).raw(takeArrived(room));
  write(args, nonce);
  // Under a nonce that was chosen before, another may call too.
  let wasRepeated = given !== undefined;
  const reply = await context.link.call(script, room.keys, args, {
    onRetry: () => {
      wasRepeated = true;
    },
  });
  noteArrived(room, nonce, wasRepeated);
  room.isFollowed = reply[1] === 1;
  return reply;
}

/** The policy by which the store settles what no worker can. */
export function policyOf(
  types: ReadonlyMap<string, TypeRecord>,
  type: string,
  own: RetentionPolicy | undefined,
): StorePolicy {
  const policy: StorePolicy = types.get(type) ?? DEFAULT_STORE_POLICY;
  return own === undefined ? policy : { ...policy, retention: own };
}

/** A time of this process alone, in milliseconds, by which it knows how long something took: also when it was stopped. */
export function ownNowMs({ link }: Context): number {
  return performance.now() + link.shiftMs();
}

/** The store's time, in milliseconds since 1970. */
export async function storeNowMs({ link }: Context): Promise<number> {
  const [seconds, micros] = (await link.command("time", [])) as [string, string];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000) + link.shiftMs();
}
