// A program that keeps a fleet, for tests that kill it: supervisor.ts <size> <command words...>
import { openFleet } from "millrace/fleet";

const [size = "1", ...command] = process.argv.slice(2);
const fleet = openFleet({ command, size: Number(size), restartLimit: 1_000 });
await fleet.allReady();
process.stdout.write("ready\n");
