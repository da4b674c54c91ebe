/** @file What visitors paste, drop and edit: bad input ends in one line, and everything else goes on as it was. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru, rnn } from "../../cells/index.ts";
import type { Command, RunSpec } from "../../playground/shared/protocol.ts";
import { classifierModel } from "../../train/classifier.ts";
import { encodeModel, savedModel } from "../../train/files/model-file.ts";
import { initialize } from "../../train/initialize.ts";
import { rowsSaid } from "../trust/fault-table.ts";
import { Client, clientWithText, runSpec, smallSettings } from "./client.ts";

let client: Client;
beforeAll(async () => {
  client = await clientWithText("interpreter");
  await client.ask({ type: "setRuns", runs: [runSpec("a", rnn)] });
});
afterAll(() => client.ask({ type: "destroy" }));

const bytes = (...values: number[]) => Uint8Array.from(values);
const text = (given: string | Uint8Array<ArrayBuffer>, name = "notes.txt"): Command => {
  return { type: "setData", data: { kind: "text", name, text: given } };
};
const csv = (given: string | Uint8Array<ArrayBuffer>): Command => {
  return { type: "setData", data: { kind: "csv", name: "table.csv", text: given } };
};
const task = (name: string, parameters: Record<string, number> = {}): Command => {
  return { type: "setData", data: { kind: "task", name, parameters } };
};
const sample = (change: object): Command => ({ type: "sample", run: "a", length: 5, ...change });

function classifierFile(): Uint8Array<ArrayBuffer> {
  const network = classifierModel({ cell: gru, units: 2, classes: 2, reads: { features: 1 } });
  const details = { columns: ["a"], classes: ["no", "yes"] };
  return new Uint8Array(encodeModel(savedModel(network, initialize(network.specs, 1), details)));
}

const refused: readonly [title: string, command: Command, line: RegExp][] = [
  ["a text of one character", text("a"), /^the text has only one kind of character, "a"; there is nothing to learn/],
  ["an empty text", text(""), /^notes\.txt is empty; give it some thousand characters$/],
  ["a binary file", text(bytes(0x89, 0x50, 0x4e, 0x47, 0x0d, 0xff)), /^notes\.txt is no text in UTF-8: it looks like/],
  ["a file with zeros", text(bytes(65, 66, 0, 0, 67)), /^notes\.txt is no text in UTF-8/],
  [
    "20 MB of text",
    text("abcdefghij".repeat(2e6)),
    /^notes\.txt has 20\.0 million characters; a page takes 8\.0 million/,
  ],
  ["20 MB of bytes", text(new Uint8Array(2e7).fill(97)), /^notes\.txt has 20\.0 million characters/],
  [
    "a hole in a table",
    csv("x,y\n1,2\n3,\n"),
    /^table\.csv, line 3, y: the field is empty; expected a number \(option missing/,
  ],
  ["a table that is a text", csv("once upon a time"), /^table\.csv has no row of numbers$/],
  ["an open quote", csv('1,2\n"3,4\n'), /^table\.csv: Quote Not Closed/],
  ["a binary table", csv(bytes(0, 1, 2, 3)), /^table\.csv is no text in UTF-8/],
  ["a task that is none", task("chess"), /^there is no task "chess"; there are embedded-reber, /],
  ["a task of the prototype", task("constructor"), /^there is no task "constructor"/],
  ["a parameter out of range", task("noisy-sine", { noise: -2 }), /^noisy-sine: noise is -2; expected a number from 0/],
  [
    "a learning rate of 0",
    { type: "setLearningRate", value: 0 },
    /^the learning rate is 0; expected a number above 0$/,
  ],
  ["a run that is none", { type: "gradientFlow", run: "b" }, /^there is no run "b"; there are a$/],
  ["half a step", { type: "start", steps: 0.5 }, /^steps is 0\.5; expected a whole number above 0$/],
  ["a prompt of other symbols", sample({ prompt: "Ω" }), /^character "Ω" at position 0 is not one of the \d+ in/],
  [
    "a sample without end",
    sample({ length: 1e9 }),
    /^the length is 1000000000; expected a whole number from 1 to 5000$/,
  ],
  ["a temperature below zero", sample({ temperature: -1 }), /^temperature is -1; expected a number, 0 or more$/],
  ["a cell that is no JSON", { type: "check", cell: "export default 1" }, /^the cell: expected JSON$/],
  [
    "a check without end",
    { type: "check", cell: "{}", cases: 1e6 },
    /^cases is 1000000; expected a whole number from 1/,
  ],
  [
    "a model that is none",
    { type: "loadModel", name: "m", bytes: bytes(1, 2, 3) },
    /^m is not a valid safetensors file/,
  ],
  [
    "a classifier as a model",
    { type: "loadModel", name: "m", bytes: classifierFile() },
    /^m is a classifier, which this page has no data for; use it from code, with createPredictor$/,
  ],
  ["a request that is none", JSON.parse('{"type":"fetch"}'), /^there is no request "fetch"$/],
];

test.each(refused)("%s", async (_title, command, line) => {
  expect(await client.refusal(command)).toMatch(line);
  // The run is still there, on its data, and can go on.
  client.events.length = 0;
  await client.ask({ type: "start", steps: 1 });
  await client.until(() => client.eventsOf("stopped").length > 0);
  expect(client.eventsOf("stopped").map(({ reason }) => reason)).toEqual(["done"]);
});

const wrong: readonly [title: string, runs: readonly RunSpec[], line: RegExp][] = [
  ["two of one name", [runSpec("b", rnn), runSpec("b", gru)], /^two runs have one name; give each its own name$/],
  [
    "a cell traced at another size",
    [{ ...runSpec("b", gru), settings: { ...smallSettings, units: 9 } }],
    /^gru: it was not traced at units 9, only at units 6, features 4; trace it at that size too$/,
  ],
  [
    "too little text",
    [runSpec("b", rnn, null, { batch: 99, time: 99 })],
    /^the text has \d+ characters to train on, too few/,
  ],
  [
    "too many weights",
    [runSpec("b", gru, null, { units: 200 })],
    /^b has \d+ weights; the float64 interpreter takes 20000/,
  ],
  [
    "a rate below zero",
    [runSpec("b", gru, null, { learningRate: -1 })],
    /^the learning rate is -1; expected a number above 0$/,
  ],
  ["a clipping norm of zero", [runSpec("b", gru, null, { clipNorm: 0 })], /^clipNorm is 0; expected a number above 0$/],
  ["a seed that is none", [runSpec("b", gru, null, { seed: 0.5 })], /^the seed is 0\.5; expected a whole number/],
  ["half a batch", [runSpec("b", gru, null, { batch: 1.5 })], /^batch must be a whole number above 0, got 1\.5$/],
];

describe("runs that cannot be made", () => {
  test.each(wrong)("%s", async (_title, runs, line) => {
    expect(await client.refusal({ type: "setRuns", runs: [runSpec("fine", rnn), ...runs] })).toMatch(line);
    // The runs that were there go on.
    client.events.length = 0;
    await client.ask({ type: "start", steps: 1 });
    await client.until(() => client.eventsOf("stopped").length > 0);
    expect(client.eventsOf("stopped").map(({ run, reason }) => [run, reason])).toEqual([["a", "done"]]);
  });
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("playground/bad-input.test.ts")).toBe(refused.length + wrong.length);
});

test("before there is a device or data, the line says what is missing", async () => {
  const empty = new Client();
  expect(await empty.refusal({ type: "setRuns", runs: [] })).toBe("no device was opened yet");
  await empty.ask({ type: "init", device: "interpreter" });
  expect(await empty.refusal({ type: "setRuns", runs: [runSpec("a", rnn)] })).toBe(
    "there are no data to train on; choose a text, a table or a task first",
  );
  expect(await empty.refusal({ type: "inspect", run: "a" })).toBe("there is no run yet; make one first");
});
