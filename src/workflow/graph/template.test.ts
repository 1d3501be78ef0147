import { describe, expect, it } from "vitest";
import { fillIn, referencesIn } from "./template.ts";

const values = new Map<string, unknown>([
  ["input", { tenant: "acme", "a.b": 1 }],
  ["network", { subnets: [{ id: "s-1" }, { id: "s-2" }] }],
]);

describe("filling in", () => {
  it.each([
    [{ $from: "input" }, { tenant: "acme", "a.b": 1 }],
    [{ $from: "network.subnets.1.id" }, "s-2"],
    [{ $from: ["network", "subnets", 0, "id"] }, "s-1"],
    [{ $from: ["input", "a.b"] }, 1],
    [
      { name: { $from: "input.tenant" }, size: 3 },
      { name: "acme", size: 3 },
    ],
    [
      [1, { $from: "input.tenant" }],
      [1, "acme"],
    ],
    [{ $literal: { $from: "input" } }, { $from: "input" }],
    [
      { $from: "input", and: 1 },
      { $from: "input", and: 1 },
    ],
    ["input", "input"],
    [null, null],
  ])("%j", (template, filled) => {
    expect(fillIn(template, values)).toEqual(filled);
  });

  it.each([
    ["network.subnets.2.id", 'network.subnets has no "2"'],
    ["input.tenant.length", 'input.tenant has no "length"'],
    ["input.constructor", 'input has no "constructor"'],
    ["input.__proto__", 'input has no "__proto__"'],
  ])("a path that leads nowhere says how far it went: %s", (from, message) => {
    expect(() => fillIn({ $from: from }, values)).toThrow(message);
  });
});

describe("finding references", () => {
  it("at every depth, but not in what is literal", () => {
    const template = {
      a: [{ b: { $from: "network.id" } }],
      c: { $from: ["input", "x"] },
      d: { $literal: { $from: "other" } },
    };
    expect(referencesIn(template)).toEqual([{ path: ["network", "id"] }, { path: ["input", "x"] }]);
  });

  it("with what is wrong", () => {
    expect(referencesIn([{ $from: {} }, { $from: [1] }, { $from: "" }])).toEqual([
      { problem: expect.stringContaining("{}") },
      { problem: expect.stringContaining("[1]") },
      { problem: expect.stringContaining('""') },
    ]);
  });

  it("with a bound on the depth", () => {
    let template: unknown = { $from: "a" };
    for (let depth = 0; depth < 1_000; depth += 1) template = [template];
    expect(referencesIn(template)).toEqual([{ problem: expect.stringContaining("deeper") }]);
  });
});
