// The servers that all Redis suites of a run share: one server and one Cluster, started before them and stopped after.
import type { TestProject } from "vitest/node";
import { startRedisCluster } from "./redis-cluster.ts";
import { startRedis } from "./redis-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly redisUrl: string;
    readonly redisClusterUrl: string;
  }
}

/** Starts them; every case works in a namespace of its own there. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
  project.provide("redisUrl", server.url);
  project.provide("redisClusterUrl", cluster.url);
  return async () => {
    await Promise.all([server.stop(), cluster.stop()]);
  };
}
