// `millrace why` and `millrace errors`: what holds a job back, and what goes wrong most.
import type { Command } from "commander";
import { MillraceError } from "../../core/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { clean, print, printJson, relativeTime, table } from "../output.ts";
import { readDuration, readJobId } from "../option-values.ts";

/** Registers `why`. */
export function registerWhy(program: Command): void {
  const command = program
    .command("why")
    .description("say why a job is not running")
    .argument("<id>", "the job's id", readJobId)
    .addHelpText("after", "\nExample:\n  $ millrace why 0199d3c0-...");
  withConnectionOptions(command).action(async (id: string, options: ConnectionOptions) => {
    await using connection = await connect(options);
    const why = await connection.operations.why(id);
    if (why === null) {
      throw new MillraceError("JOB_NOT_FOUND", { message: `no job ${id} is kept` });
    }
    if (options.json === true) return printJson(why);
    print(clean(why.sentence));
  });
}

const BY_THE_MINUTE = "Counted by the minute: those of the running one follow when it is over.";

/** Registers `errors`. */
export function registerErrors(program: Command): void {
  const command = program
    .command("errors")
    .description("list errors by fingerprint, the most frequent first")
    .option("--type <name>", "only of this job type")
    .option("--since <duration>", "how far back, at most a month", readDuration, "24h")
    .addHelpText(
      "after",
      "\nExamples:\n  $ millrace errors --since 7d\n  $ millrace jobs --error 9f0c41d2a7be5310",
    );
  withConnectionOptions(command).action(
    async (options: ConnectionOptions & { readonly type?: string; readonly since: string }) => {
      await using connection = await connect(options);
      const { type, since } = options;
      const errors = await connection.operations.errors({
        since,
        ...(type === undefined ? {} : { type }),
      });
      if (options.json === true) return printJson(errors);
      if (errors.length === 0) return print(`no errors. ${BY_THE_MINUTE}`);
      const nowMs = Date.now();
      print(
        ...table(
          ["FINGERPRINT", "TYPE", "COUNT", "FIRST SEEN", "LAST SEEN", "ERROR"],
          errors.map((group) => [
            group.fingerprint,
            clean(group.type),
            group.count,
            relativeTime(group.firstSeen, nowMs),
            relativeTime(group.lastSeen, nowMs),
            clean(group.title),
          ]),
        ),
        BY_THE_MINUTE,
      );
    },
  );
}
