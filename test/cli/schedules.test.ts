// `millrace schedules` and `millrace schedule ...`, against a store and against a service.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run, scratch } from "./command-line.ts";
import { WAYS, useStoreAndService } from "./store-and-service.ts";

const INPUT = '{"SleepTimeInSeconds": 0, "Message": "on time"}';
const place = useStoreAndService();

describe.each(WAYS)("against %s", (where) => {
  const name = where === "a store" ? "by-store" : "by-service";
  const ask = (...args: readonly string[]) => place.ask(where, ...args);

  test("put keeps a schedule and shows it; schedules lists it", async () => {
    const rhythm = ["--cron", "0 9 * * MON-FRI", "--time-zone", "Europe/Berlin"];
    const rules = ["--missed", "3", "--overlap", "skip", "--tag", "a"];
    const put = await ask("schedule", "put", name, INPUT, "--type", "Sleep", ...rhythm, ...rules);
    expect(put.out).toMatch(/At 09:00, Monday through Friday \(Europe\/Berlin\)/);
    expect(put.out).toMatch(/missed: all, up to 3, overlap: skip/);
    const list = await ask("schedules", "--type", "Sleep");
    expect(list.out).toMatch(new RegExp(`^NAME.*\\n(?:.*\\n)*${name}\\s+Sleep\\s+active`));
  });

  test("pause says by whom and why, resume and show what follows", async () => {
    const paused = await ask("schedule", "pause", name, "--reason", "holidays");
    expect(paused.out).toMatch(/paused\s+by .*: holidays/);
    expect(paused.out).toMatch(/next\s+none until it is resumed/);
    expect((await ask("schedules")).out).toMatch(new RegExp(`${name}\\s+Sleep\\s+paused\\s+0`));
    expect((await ask("schedule", "resume", name)).out).toMatch(/active/);
    const shown = await ask("schedule", "show", name, "--json");
    expect(JSON.parse(shown.out)).toMatchObject({
      name,
      state: "active",
      tags: ["a", `schedule:${name}`],
    });
  });

  test("preview marks what daylight saving does, of a schedule and of a rhythm", async () => {
    const args = ["--cron", "30 2 * * *", "--time-zone", "Europe/Berlin"];
    const after = ["--after", "2026-03-28T12:00:00Z", "--count", "2"];
    const { out } = await ask("schedule", "preview", ...args, ...after);
    expect(out).toMatch(
      /2026-03-29T03:00:00\+02:00.*the clock goes forward 60 min before, its hour is skipped/,
    );
    const known = await ask("schedule", "preview", name, "--count", "3", "--json");
    expect(JSON.parse(known.out)).toHaveLength(3);
  });

  test("run enqueues its job now, which the worker runs", async () => {
    const { out } = await ask("schedule", "run", name);
    const job = await ask("job", out.trim(), "--follow");
    expect(job.out).toContain("on time");
  });

  test("remove removes it, and then it is not found", async () => {
    expect((await ask("schedule", "remove", name)).out).toBe(`${name} removed\n`);
    for (const verb of ["remove", "show", "pause", "resume", "run", "preview"]) {
      const { code, err } = await ask("schedule", verb, name);
      expect({ verb, code, err }).toMatchObject({
        verb,
        code: 3,
        err: expect.stringContaining(name) as string,
      });
    }
  });

  test("dates that are past are kept as over, with a word that it never fires", async () => {
    const past = ["--type", "Sleep", "--date", "2020-01-01T00:00:00Z"];
    const put = await ask("schedule", "put", name, INPUT, ...past);
    expect(put).toMatchObject({ code: 0, out: expect.stringMatching(/over/) as string });
    expect(put.err).toContain("will never fire");
    await ask("schedule", "remove", name);
  });

  test("an expression that can never fire is told as wrong usage", async () => {
    const put = await ask("schedule", "put", name, "--type", "Sleep", "--cron", "0 0 31 4 *");
    expect(put).toMatchObject({
      code: 2,
      err: expect.stringContaining("no day of the calendar") as string,
    });
  });
});

test("a preview of a rhythm that nobody has put creates no store", async () => {
  await using directory = await scratch();
  const store = join(directory.path, "none.db");
  const preview = ["schedule", "preview", "--cron", "0 3 * * *", "--count", "1"];
  const { code, out } = await run([...preview, "--store", `sqlite:${store}`]);
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("T03:00:00Z") });
  expect(existsSync(store)).toBe(false);
});
