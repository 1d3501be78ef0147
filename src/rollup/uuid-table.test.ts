import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalUuid, NO_ID, UuidTable } from "./uuid-table.ts";

describe("UuidTable", () => {
  it("gives every UUID one integer, whatever its case, and its lower-case text back", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.uuid(), { maxLength: 2_000, size: "max" }), (uuids) => {
        const table = new UuidTable({ maxIds: 10_000 });
        const ids = uuids.map((uuid) => table.intern(uuid));
        expect(ids).toEqual(uuids.map((_, at) => at));
        expect(uuids.map((uuid) => table.intern(uuid.toUpperCase()))).toEqual(ids);
        expect(ids.map((id) => table.text(id))).toEqual(uuids);
      }),
      { numRuns: 20 },
    );
  });

  it("finds a UUID among other bytes, at any offset", () => {
    const table = new UuidTable({ maxIds: 10 });
    const uuid = "36de4bf4-0293-4567-b009-75c4bc66a64d";
    const id = table.intern(uuid);
    for (let at = 0; at < 9; at += 1) {
      const bytes = new TextEncoder().encode(`${".".repeat(at)}${uuid}`);
      expect(table.find(new DataView(bytes.buffer), at)).toBe(id);
    }
  });

  it("holds nothing but UUIDs", () => {
    const table = new UuidTable({ maxIds: 10 });
    const shapeOnly = "36de4bf4-0293-4567-b009-75c4bc66a64g";
    expect(table.intern(shapeOnly)).toBe(NO_ID);
    expect(table.intern("")).toBe(NO_ID);
    expect(table.findText(shapeOnly)).toBe(NO_ID);
    expect(table.size).toBe(0);
    expect(canonicalUuid("36de4bf4-0293-4567-b009-75c4bc66a64d ")).toBeUndefined();
  });

  it("refuses new UUIDs past its bound and still finds the ones it has", () => {
    const table = new UuidTable({ maxIds: 1 });
    const known = "36de4bf4-0293-4567-b009-75c4bc66a64d";
    expect(table.intern(known)).toBe(0);
    expect(table.intern("4b68f084-c3f1-4b7d-860d-7c68bbbbaa51")).toBe(NO_ID);
    expect(table.intern(known)).toBe(0);
  });
});
