import { describe, expect, it } from "vitest";
import { Ledger } from "../../examples/rollup-server/ledger.ts";

function started(): Ledger {
  const ledger = new Ledger();
  ledger.connect();
  ledger.sent({
    kind: "associations",
    pairs: [
      ["P", "a"],
      ["P", "b"],
      ["Q", "c"],
    ],
  });
  return ledger;
}

function message(ledger: Ledger, source: string, destination: string): void {
  ledger.sent({ kind: "message", source, destination });
}

function row(source: string, destination: string, count: number) {
  return { source, destination, count };
}

/** The server's own count decides whether reports are right, so it must be able to say no. */
describe("the server's ledger", () => {
  it("finds correct reports exact, with moves and late associations", () => {
    const ledger = started();
    message(ledger, "a", "b");
    message(ledger, "a", "late");
    ledger.report(JSON.stringify([row("P", "P", 1)]));
    ledger.sent({
      kind: "associations",
      pairs: [
        ["Q", "a"],
        ["R", "late"],
      ],
    });
    message(ledger, "a", "c");
    ledger.report(JSON.stringify([row("P", "R", 1), row("Q", "Q", 1)]));
    ledger.report("[]");
    expect(ledger.finish()).toMatchObject({
      reports: 3,
      exact: 3,
      mistakes: [],
      waiting: 0,
      sent: 3,
    });
  });

  it.each([
    ["a count too high", [row("P", "P", 2)]],
    ["a pair never sent", [row("P", "Q", 1)]],
    ["two rows for one pair", [row("P", "P", 1), row("P", "P", 1)]],
    ["other field names", [{ from: "P", to: "P", count: 1 }]],
    ["a count that is no number", [{ ...row("P", "P", 1), count: "1" }]],
    ["something else than a list", {}],
  ])("finds %s", (_, report) => {
    const ledger = started();
    message(ledger, "a", "b");
    ledger.report(JSON.stringify(report));
    expect(ledger.finish().mistakes.length).toBeGreaterThan(0);
  });

  it("finds counts that were swapped between pairs though the sum fits", () => {
    const ledger = started();
    message(ledger, "a", "b");
    message(ledger, "a", "c");
    ledger.report(JSON.stringify([row("P", "P", 2)]));
    expect(ledger.finish().mistakes.length).toBeGreaterThan(0);
  });

  it("checks exactly after a cut when the client declares what it received", () => {
    const ledger = started();
    message(ledger, "a", "b");
    message(ledger, "a", "b");
    ledger.connect();
    message(ledger, "c", "c");
    ledger.report(JSON.stringify([row("P", "P", 1), row("Q", "Q", 1)]));
    ledger.declare(1, 2);
    expect(ledger.finish()).toMatchObject({ exact: 1, mistakes: [], gap: 1, sent: 2 });
  });
});
