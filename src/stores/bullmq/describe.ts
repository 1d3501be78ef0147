// What the store says of itself: the server's settings, what can be lost under them, and what BullMQ adds to it.
import type { Durability, Finding, StoreDescription } from "../../core/store-description.ts";
import {
  CAN_LOSE,
  type ServerFacts,
  durabilityOf,
  findingsOf,
  isFull,
  readFacts,
} from "../redis/describe.ts";
import type { Context } from "./context.ts";
import type { Link } from "./link.ts";
import { describeBullmqLocation } from "./url.ts";

/** The major version of BullMQ whose layout of keys this store knows. */
const BULLMQ_MAJOR = 6;

/** Reads the facts of the server that has the keys. */
export function readServer(link: Link): Promise<ServerFacts> {
  return link.run("info", ({ client }) => readFacts(client, (promise) => promise));
}

/** Describes the store. */
export async function describeStore(
  { link, namespace }: Context,
  durability: Durability,
): Promise<StoreDescription> {
  const server = await readServer(link);
  const bullmqVersion = await link.run("version", async (peer) => peer.bullmqVersion);
  const { prefix } = link.keys;
  return {
    kind: "bullmq",
    version: server.version,
    location: describeBullmqLocation(link.location),
    namespace,
    durability,
    canLose: CAN_LOSE[durabilityOf([server])],
    findings: [...findingsOf([server], durability), ...versionFindings(bullmqVersion)],
    isFull: isFull(server),
    nowMs: Date.now(),
    facts: {
      bullmqVersion,
      prefix,
      replicas: server.connectedReplicas,
      usedMemoryBytes: server.usedMemoryBytes,
      maxMemoryBytes: server.maxMemoryBytes,
      maxMemoryPolicy: server.evictionPolicy,
      appendfsync: server.isPersistent ? server.appendfsync : "off",
    },
  };
}

function versionFindings(version: string): readonly Finding[] {
  if (Number.parseInt(version, 10) === BULLMQ_MAJOR) return [];
  return [
    {
      level: "problem",
      message: `bullmq ${version} is installed; this store knows BullMQ ${BULLMQ_MAJOR}: npm install bullmq@${BULLMQ_MAJOR}`,
    },
  ];
}
