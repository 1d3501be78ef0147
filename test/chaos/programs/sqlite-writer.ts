// A program that writes rows to a SQLite file and promises each one once its commit returned. For tests of the harness.
import { DatabaseSync } from "node:sqlite";
import { EffectLog } from "../harness/effect-log.ts";
import { programOptions, serve } from "./channel.ts";

interface WriterOptions {
  readonly path: string;
  readonly logs: string;
  readonly synchronous: "FULL" | "OFF";
}

const { path, logs, synchronous } = programOptions() as WriterOptions;
const log = new EffectLog(logs);
const database = new DatabaseSync(path);
database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};`);
database.exec("CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, filling TEXT)");
const insert = database.prepare("INSERT INTO rows VALUES (?, ?)");

serve({
  write: ({ count }) => {
    for (let number = 1; number <= Number(count); number += 1) {
      insert.run(number, "x".repeat(200));
      log.acknowledge({ number, id: String(number) });
    }
  },
});
