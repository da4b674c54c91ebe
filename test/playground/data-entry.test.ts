/** @file The data list and the field for text: what the visitor chose stays chosen, and what was typed last is used. */
import { expect, test } from "vitest";
import { DataEntry } from "../../playground/page/session/data-entry.ts";

const documentation = { kind: "documentation" } as const;
const adding = { kind: "task", name: "adding", parameters: {} } as const;
const text = { kind: "text", name: "pasted text", text: "abc" } as const;

test("the entry is that of the data in use", () => {
  const entry = new DataEntry();
  expect([documentation, adding, text].map((data) => entry.chosen(data))).toEqual(["documentation", "adding", "own"]);
});

test("own text stays chosen until it is there, however often the list is drawn anew", () => {
  const entry = new DataEntry();
  entry.askForOwn();
  expect([entry.chosen(documentation), entry.chosen(documentation)]).toEqual(["own", "own"]);
  entry.replaced();
  expect([entry.chosen(text), entry.chosen(adding)]).toEqual(["own", "adding"]);
});

test("typed text is taken once, and not after other data were chosen", () => {
  const entry = new DataEntry();
  entry.askForOwn();
  entry.type("abc");
  entry.type("abcd");
  expect([entry.take(), entry.take()]).toEqual(["abcd", undefined]);
  entry.type(" \n");
  expect(entry.take()).toBeUndefined();
  entry.type("abc");
  entry.replaced();
  expect(entry.take()).toBeUndefined();
});
