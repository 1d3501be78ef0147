// A worker process of the suite `cluster`: tells how many jobs it has begun, now and then.
import { reportStarts } from "../redis/processes.ts";
import { type ClusterSetup, openCluster } from "./queues.ts";

const { mill } = await openCluster(
  JSON.parse(process.argv[2] ?? "") as ClusterSetup,
  reportStarts(),
);
await mill.start();
