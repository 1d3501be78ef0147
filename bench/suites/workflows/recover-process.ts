// The process that begins runs and is killed.
import { beginRuns } from "./millrace.ts";

process.once("disconnect", () => process.exit(0));
const [url = "", count = "1"] = process.argv.slice(2);
await beginRuns(url, Number(count));
