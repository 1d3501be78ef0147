// Lines: first in, first out, and whoever leaves from the middle.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Line, type Standing } from "./line.ts";

interface Person extends Standing {
  readonly name: number;
}

test("a line has who came and did not leave, in their order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant(null), fc.nat({ max: 300 })), { maxLength: 400 }),
      (commands) => {
        const line = new Line<Person>();
        const all: Person[] = [];
        let expected: Person[] = [];
        for (const leaving of commands) {
          if (leaving === null) {
            const person = { name: all.length, line: null };
            all.push(person);
            expected.push(person);
            line.add(person);
          } else {
            const person = all[leaving];
            if (person === undefined) continue;
            line.remove(person);
            expected = expected.filter((each) => each !== person);
          }
          expect(line.size).toBe(expected.length);
          expect(line.first).toBe(expected[0]);
        }
        expect(line.members()).toEqual(expected);
        expect(all.filter((person) => line.has(person))).toEqual(expected);
      },
    ),
  );
});

test("a long line that moves keeps its order", () => {
  const line = new Line<Person>();
  const people = Array.from({ length: 1_000 }, (_, name) => ({ name, line: null }));
  for (const [index, person] of people.entries()) {
    line.add(person);
    if (index >= 10) line.remove(people[index - 10] as Person);
  }
  expect(line.members().map(({ name }) => name)).toEqual(people.slice(-10).map(({ name }) => name));
});
