// Command templates: what becomes of quotes, metacharacters and placeholders.
import { describe, expect, test } from "vitest";
import { fillCommand, fillPlaceholders, parseCommand } from "./command-template.ts";

const words = (text: string): readonly string[] => parseCommand(text, ["id", "port"]).words;

describe("a command template", () => {
  test("is cut at blanks, with quotes and backslashes to group", () => {
    expect(words("./worker  -port {port}\n-x")).toEqual(["./worker", "-port", "{port}", "-x"]);
    expect(words(`a "b c" 'd "e'  f\\ g h''i "" j\\\\`)).toEqual(
      'a|b c|d "e|f g|hi||j\\'.split("|"),
    );
    expect(words(String.raw`a "b\"c" 'd\e'`)).toEqual(["a", 'b"c', String.raw`d\e`]);
  });

  test("gives shell metacharacters no meaning", () => {
    const nasty = "worker $(touch_x) `id` a;b c|d e&f g>h *.ts ~ $HOME #no !! (x)";
    expect(words(nasty)).toEqual(nasty.split(" "));
  });

  test("keeps a placeholder's value inside its word", () => {
    const template = parseCommand("worker --name={id} {port}", ["id", "port"]);
    expect(fillCommand(template, { id: "a b; rm -rf $HOME '\"", port: 1 })).toEqual([
      "worker",
      "--name=a b; rm -rf $HOME '\"",
      "1",
    ]);
    expect(fillCommand(template, { id: "{port}", port: 1 })[1]).toBe("--name={port}");
  });

  test("takes {{name}} as the text {name}", () => {
    const template = parseCommand("awk {{print}} {id}", ["id"]);
    expect(fillCommand(template, { id: 3 })).toEqual(["awk", "{print}", "3"]);
    expect(fillPlaceholders("http://localhost:{port}/?n={n}", { port: 80 })).toBe(
      "http://localhost:80/?n={n}",
    );
  });

  test.each([
    ["", "names no program"],
    ["  ", "names no program"],
    ["a 'b", "has an open '"],
    ["a \\", "ends in a backslash"],
    ["a b\0c", "holds a NUL byte"],
    ["a {prot}", "unknown placeholder {prot}; expected {id}, {port}"],
    ["x".repeat(40_000), "is longer than"],
  ])("refuses %j", (text, problem) => {
    expect(() => words(text)).toThrow(problem);
  });
});
