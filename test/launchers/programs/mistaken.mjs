// A program that makes one mistake against the process protocol: the one that its argument names.
const mistake = process.argv[2];
const write = (text) => process.stdout.write(`${text}\n`);
const say = (line) => write(JSON.stringify(line));
const result = { kind: "result", value: 1 };

if (mistake === "deaf") {
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 1_000);
}
if (mistake !== "no-hello") say({ millrace: 1 });
if (mistake === "hello-twice") say({ millrace: 1 });
if (mistake === "not-json") write("working on it...");
if (mistake === "unknown-kind") say({ kind: "status", value: 1 });
if (mistake === "progress-without-value") say({ kind: "progress" });
if (mistake === "log-with-unknown-level") say({ kind: "log", level: "loud", message: "x" });
if (mistake === "result-without-value") say({ kind: "result" });
else if (mistake === "error-without-message") say({ kind: "error" });
else if (mistake === "snooze-without-delay") say({ kind: "snooze" });
else if (mistake !== "no-outcome") say(result);
if (mistake === "two-outcomes") say(result);
if (mistake === "too-long") say({ kind: "progress", value: "x".repeat(300_000) });
if (mistake === "result-and-failure") process.exitCode = 1;
if (process.argv.includes("--warm")) {
  // Reads one line and never another, and does not end with its input.
  setInterval(() => {}, 1_000);
}
