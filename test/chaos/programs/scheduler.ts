// A scheduler as a program: fires what is due on a store until it is killed.
import { createScheduler, silentLogger } from "millrace";
import { openSqliteStore } from "../../../src/stores/sqlite/index.ts";
import { programOptions, serve } from "./channel.ts";

const { path } = programOptions() as { readonly path: string };
const store = await openSqliteStore({ path, namespace: "default", durability: "os" });
createScheduler({ store, logger: silentLogger }).start();

serve({});
