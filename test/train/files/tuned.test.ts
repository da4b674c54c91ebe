/** @file The tuning in a model file is validated: everything else is a one-line error. */
import { expect, test } from "vitest";
import { UserError } from "../../../compiler/graph/errors.ts";
import { tuningGrid } from "../../../compiler/plan/tuning.ts";
import { decodeModel, encodeModel } from "../../../train/files/model-file.ts";
import type { TuneResult } from "../../../train/tune.ts";
import { damaged, faultOf, textModel } from "./saved-models.ts";

const tuned = { tuning: { tileRows: 4 }, adapter: "SwiftShader", batch: 16, time: 32, speedup: 1.25 };
const having = (text: string) =>
  damaged((metadata) => {
    metadata.tuned = text;
  });
const changed = (change: object) => JSON.stringify({ ...tuned, ...change });

test("a tuning survives a round trip, without the other results of the search", () => {
  const result: TuneResult = { ...tuned, measurements: [{ tuning: {}, outcome: "failed", reason: "secret" }] };
  const bytes = encodeModel({ ...textModel, tuned: result });
  expect(decodeModel(bytes, "m").tuned).toEqual(tuned);
  expect(Buffer.from(bytes).includes("secret")).toBe(false);
  expect(decodeModel(encodeModel(textModel), "m")).not.toHaveProperty("tuned");
});

test("every value of the grid is accepted, and an empty tuning", () => {
  for (const [field, values] of Object.entries(tuningGrid))
    for (const value of values) expect(faultOf(having(changed({ tuning: { [field]: value } })))).toBe(undefined);
  expect(faultOf(having(changed({ tuning: {} })))).toBe(undefined);
});

const tileRows = "tileRows of a tuning must be one of 1, 2, 4, 8, 16, got";
const fields = Object.keys(tuningGrid).join(", ");

const FAULTS: [title: string, text: string, fault: string][] = [
  ["no JSON", "{", "its tuned is missing or damaged; expected an object"],
  ["a list", "[]", "its tuned is missing or damaged; expected an object"],
  ["null", "null", "its tuned is missing or damaged; expected an object"],
  ["nothing", "{}", "its tuning is damaged; expected the name of an adapter"],
  [
    "more than there is",
    changed({ more: 1 }),
    "its tuning is damaged; expected tuning, adapter, batch, time, speedup, and nothing else",
  ],
  [
    "an order to the terminal",
    changed({ adapter: "\u001b[2J" }),
    "its tuning is damaged; expected the name of an adapter",
  ],
  ["a second line", changed({ adapter: "a\nb" }), "its tuning is damaged; expected the name of an adapter"],
  [
    "letters that turn round",
    changed({ adapter: "a\u202eb" }),
    "its tuning is damaged; expected the name of an adapter",
  ],
  ["a long name", changed({ adapter: "a".repeat(201) }), "its tuning is damaged; expected the name of an adapter"],
  ["no batch", changed({ batch: 0 }), "its tuning is damaged; expected a batch and a time above 0"],
  ["half a step", changed({ time: 1.5 }), "its tuning is damaged; expected a batch and a time above 0"],
  ["no speed", changed({ speedup: 0 }), "its tuning is damaged; expected a speedup above 0"],
  ["a speed in words", changed({ speedup: "fast" }), "its tuning is damaged; expected a speedup above 0"],
  ["a tuning that is a list", changed({ tuning: [] }), "a tuning must be an object such as {tileRows: 8}"],
  ["no tuning", changed({ tuning: undefined }), "a tuning must be an object such as {tileRows: 8}"],
  ["a size between", changed({ tuning: { tileRows: 3 } }), `${tileRows} 3`],
  ["a huge size", changed({ tuning: { tileRows: 1e300 } }), `${tileRows} 1e+300`],
  ["a negative size", changed({ tuning: { tileRows: -4 } }), `${tileRows} -4`],
  ["a size as text", changed({ tuning: { tileRows: "4; discard" } }), `${tileRows} "4; discard"`],
  ["a size of null", changed({ tuning: { tileRows: null } }), `${tileRows} an object`],
  ["a size that is no text", changed({ tuning: { tileRows: { toString: 1, valueOf: 1 } } }), `${tileRows} an object`],
  [
    "a schedule that is none",
    changed({ tuning: { schedule: "auto" } }),
    'schedule of a tuning must be one of newton, parallel, resident, persistent, stepwise, got "auto"',
  ],
  ["an unknown field", changed({ tuning: { unroll: 2 } }), `a tuning has no "unroll"; its fields are ${fields}`],
  [
    "a field of every object",
    '{"tuning":{"__proto__":{"tileRows":4}},"adapter":"a","batch":1,"time":1,"speedup":1}',
    `a tuning has no "__proto__"; its fields are ${fields}`,
  ],
  ["a method's name", changed({ tuning: { toString: 4 } }), `a tuning has no "toString"; its fields are ${fields}`],
];

test.each(FAULTS)("%s is refused in a line", (_, text, fault) => {
  expect(faultOf(having(text))).toEqual(new UserError(`m.safetensors is not a usable model: ${fault}`));
});
