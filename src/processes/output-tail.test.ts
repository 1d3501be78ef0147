// The bound on kept output.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { OutputTail } from "./output-tail.ts";

test("keeps exactly the last bytes, however they were cut, and counts the others", () => {
  const chunks = fc.array(fc.string({ unit: "grapheme-ascii", maxLength: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(chunks, fc.integer({ min: 1, max: 50 }), (parts, maxBytes) => {
      const tail = new OutputTail(maxBytes);
      for (const part of parts) tail.append(Buffer.from(part));
      const whole = parts.join("");
      expect(tail.text()).toBe(whole.slice(-maxBytes));
      expect(tail.droppedBytes).toBe(Math.max(0, whole.length - maxBytes));
    }),
  );
});

test("leaves out a character that the bound cut in two", () => {
  const tail = new OutputTail(4);
  tail.append(Buffer.from("aéab"));
  expect(tail.text()).toBe("éab");
  tail.append(Buffer.from("c"));
  expect(tail.text()).toBe("abc");
});
