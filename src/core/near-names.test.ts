// What somebody may have meant.
import { expect, test } from "vitest";
import { nearNames } from "./near-names.ts";

test.each([
  ["mial", ["mail"]],
  ["Mail", ["mail"]],
  ["mails", ["mail"]],
  ["ail", ["mail"]],
  ["send-reciept", ["send-receipt", "send-receipts"]],
  ["hsah-teee", ["hash-tree"]],
  ["send-receip", ["send-receipt", "send-receipts"]],
  ["pay", []],
  ["report", []],
])("%s is near %j", (wrong, expected) => {
  const names = ["mail", "send-receipts", "send-receipt", "hash-tree", "mail", "play-back"];
  expect(nearNames(wrong, names)).toEqual(expected);
});
