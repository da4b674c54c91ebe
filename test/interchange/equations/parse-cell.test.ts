/** @file Equations as text: they equal the built-in cells bit for bit, however they are written. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { traceCell } from "../../../compiler/dsl/traced-cell.ts";
import { ndarray } from "../../../compiler/graph/ndarray.ts";
import { EquationError, parseCell } from "../../../entries/equations.ts";
import { type CellDefinition, createTrainer, initialize, openDevice, UserError } from "../../../index.ts";
import { encodeGraph } from "../../../train/files/graph-json.ts";
import { languageModel } from "../../../train/networks.ts";
import { fewOf, slow } from "../../support/some-of.ts";
import { cells, textOf } from "./cells.ts";

const traced = (cell: CellDefinition, units = 4, features = 3) => {
  const [trace] = traceCell(cell, [{ units, features }]).traces;
  if (trace === undefined) throw new Error("no trace");
  return trace;
};
const graphOf = (text: string, units = 4, features = 3) => encodeGraph(traced(parseCell(text), units, features).graph);

describe.each(Object.entries(cells))("%s", (name, builtIn) => {
  const written = parseCell(textOf(name), { name });

  test.each([3, 4])("has the weights of the built-in cell, and their initial values (%i features)", (features) => {
    const byPath = (cell: CellDefinition) =>
      Object.fromEntries(traced(cell, 4, features).parameters.map((spec) => [spec.path, spec]));
    expect(byPath(written)).toEqual(byPath(builtIn));
    expect(written.cellName).toBe(builtIn.cellName);
  });

  // Two layers: the first reads 3 features, the second as many as it has units.
  const network = (cell: CellDefinition) => languageModel({ cell, units: 4, layers: 2, vocabulary: 5, embed: 3 });
  fewOf(["interpreter", "cpu"], (kind) => kind === "cpu" && ["rnn", "gru"].includes(name))(
    "trains to the same bits on the %s",
    async (kind) => {
      const run = async (cell: CellDefinition) => {
        const device = await openDevice({ device: kind });
        const ofCell = network(cell);
        const trainer = await createTrainer(device, ofCell, { seed: 1, learningRate: 0.05 });
        const tokens = (shift: number) =>
          ndarray(
            [6, 2],
            Array.from({ length: 12 }, (_, i) => (i * 7 + shift) % 5),
            "i32",
          );
        const losses: number[] = [];
        for (let k = 0; k < 3; k++) losses.push((await trainer.step({ x: tokens(k), targets: tokens(k + 1) })).loss);
        const parameters = await trainer.parameters();
        trainer.destroy();
        device.destroy();
        const values = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));
        return { losses, parameters: values.map(([path, { data }]) => [path, [...data]]) };
      };
      expect(await run(written)).toEqual(await run(builtIn));
    },
  );
});

test.each([
  ["subscripts of Unicode", "hₜ = tanh(W_a [xₜ, hₜ₋₁] + b_a)"],
  ["short names of weights", "h_t = tanh(Wa [x, h_{t-1}] + ba)"],
  ["a prime for the next state", "h' = tanh(W_a [x, h] + b_a)"],
  ["a minus sign, and braces", "h_{t} = tanh(W_{a} [x_t, h_{t−1}] + b_{a})"],
  ["no braces", "h_t = tanh(W_a [x_t, h_t-1] + b_a)"],
  ["a dot", "h_t = tanh(W_a · [x_t; h_{t-1}] + b_a)"],
  ["parentheses, and a function without", "h_t = tanh (W_a [(x_t), h_{t-1}] + (b_a))"],
  ["lines", "# a\n\n  h_t =\n    tanh(\n W_a [x_t,\n h_{t-1}]\n\n+ b_a) # b\n\n".replace("=\n", "=")],
  ["an operator at the beginning of a line", "y_t = h_t\r\nh_t = tanh(s_t)\r\ns_t = W_a [x_t, h_{t-1}]\r\n  + b_a"],
  ["other line ends", "s_t = W_a [x_t, h_{t-1}] + b_a\rh_t = tanh(s_t)\ry_t = h_t"],
])("%s", (_, text) => {
  expect(graphOf(text)).toBe(graphOf("h_t = tanh(W_a [x_t, h_{t-1}] + b_a)"));
});

test.each([
  ["a product binds more than a sign between values", "2 W x ∘ h_{t-1}", "(2 * (W x)) * h_{t-1}"],
  ["a matrix multiplies what follows", "W U h_{t-1}", "W (U (h_{t-1}))"],
  ["a sign of a value", "-h_{t-1} ∘ -h_{t-1}^2 - -1", "(-h_{t-1}) * (-(h_{t-1}^2)) - (-1)"],
  ["differences from the left", "h_{t-1} - 1 - 2", "(h_{t-1} - 1) - 2"],
  ["quotients from the left", "h_{t-1} / 2 / 3", "(h_{t-1} / 2) / 3"],
  ["a function of what follows", "tanh U h_{t-1} + b", "tanh(U h_{t-1}) + b"],
  ["numbers", "2 h_{t-1} ^ (1/2) + .5e1", "2 * (h_{t-1} ^ 0.5) + 5"],
  ["Greek letters", "σ(α ∘ h_{t-1}) + θ_φ", "sigmoid(alpha * h_{t-1}) + theta_phi"],
  ["max", "max(h_{t-1}, 0)", "max(h_{t-1}, 1 - 1)"],
])("%s", (_, text, explicit) => {
  expect(graphOf(`h_t = ${text}`)).toBe(graphOf(`h_t = ${explicit}`));
});

test("a matrix where it is needed", () => {
  const fitted = "h_t = h_{t-1} + W? x_t";
  expect(graphOf(fitted, 4, 3)).toBe(graphOf("h_t = h_{t-1} + W x_t", 4, 3));
  expect(graphOf(fitted, 4, 4)).toBe(graphOf("h_t = h_{t-1} + x_t", 4, 4));
});

test("initial values", () => {
  const text =
    "h_t = tanh(W [x, h_{t-1}] + U h_{t-1} + V x + u ∘ x1 + b)\nx1 = v ∘ h_{t-1}\nW ~ [normal(0.1), identity]";
  const specs = traced(parseCell(`${text}\nV ~ orthogonal(2)\nu ~ -sqrt(units) / 2\nb ~ chrono(9)`)).parameters;
  expect(Object.fromEntries(specs.map(({ path, initializer }) => [path, initializer]))).toEqual({
    W: {
      kind: "rows",
      parts: [
        { rows: 3, initializer: { kind: "normal", deviation: 0.1 } },
        { rows: 4, initializer: { kind: "identity", gain: 1 } },
      ],
    },
    U: { kind: "orthogonal", gain: 1 },
    V: { kind: "orthogonal", gain: 2 },
    u: { kind: "constant", value: -1 },
    v: { kind: "uniform", low: -1, high: 1 },
    b: { kind: "chrono", longest: 9 },
  });
});

test("the output is y, or the last equation; a step may change no state", () => {
  const trace = traced(parseCell("y_t = W h_t\nh_t = 0.5 h_{t-1} + U x\nc_t = 0 # of numbers alone"));
  expect(trace.states.map(({ name }) => name)).toEqual(["h"]);
  expect(graphOf("y_t = W h_t\nh_t = h_{t-1} + U x")).not.toBe(graphOf("z_t = W h_t\nh_t = h_{t-1} + U x"));
  expect(traced(parseCell("z = W x")).states).toEqual([]);
});

test("the lines of ops are those of the file", () => {
  const { graph } = traced(parseCell("s_t = W x + h_{t-1}\nh_t = tanh(s_t)", { file: "a.cell", path: "/b/a.cell" }));
  const sites = graph.nodes.flatMap(({ op }, id) =>
    ["dot", "add", "tanh"].includes(op) ? [[op, graph.sites[id]]] : [],
  );
  expect(sites).toEqual([
    ["dot", "/b/a.cell:1:7"],
    ["add", "/b/a.cell:1:11"],
    ["tanh", "/b/a.cell:2:7"],
  ]);
});

/** A text, and the message without the file; `^` marks the character in the text. */
const wrong: readonly (readonly [text: string, what: string])[] = [
  ["^", "there is no equation, such as h_t = tanh(W [x_t, h_{t-1}] + b)"],
  ["h_t = tanh^(W x", "this bracket is not closed"],
  ["z = ^[x\nh_t = h_{t-1}", "this bracket is not closed"],
  ["h_t = W x +^", "the line ends too early: a value is missing"],
  ["h_t = W x + ^)", 'unexpected ")"'],
  ["h_t = x ^$ 2", 'unexpected "$"'],
  ["a ^b = 2", 'unexpected "b"'],
  ["h_t = a ^= 2", "an equation has one name before `=`, such as z_t = …; begin each on a line of its own"],
  ["h_t = ^(x, h_{t-1})", "a list of values has square brackets, such as [x, h]"],
  ["h_t = h_{t-1} + ^sigmod(W x)", "there is no function sigmod; there are sigmoid, …"],
  ["h_t = h_{t-1} + ^tanh(W x, 1)", "tanh has one operand, not 2"],
  ["h_t = ^max(h_{t-1})", "max has 2 operands, not 1"],
  ["h_t = h_{t-1}\n^h_t = x", "h_t has two equations"],
  ["^x_t = W x", "x is the input; give the value another name"],
  ["^tanh = W x", "tanh is a function; give the value another name"],
  ["^h_{t-1} = W x", "an equation gives the value at t: write h_t"],
  ["h_t = W ^x_{t-1}", "x has no value in the step before: let a state keep it, such as p_t = W x_t, and read p_{t-1}"],
  ["h_t = ^k_{t-1} + W x", "k_{t-1} needs an equation k_t = …"],
  ["h_t = ^z_t ∘ h_{t-1}", "z_t has no equation; a weight has no time: write z"],
  ["h_t = W x + ^tanh", "tanh is a function: write tanh(…)"],
  ["h_t = h_{t-1} + ^h'", "h' has no equation; there is h_t"],
  ["h_t = tanh(W x + U ^h_t)", "h_t needs its own value here; the one of the step before is h_{t-1}"],
  ["a = c + W x\nc = 2 ^a", "a needs its own value here; the one of the step before is a_{t-1}"],
  ["^units' = W x + units", "a state cannot be called units; give it another name"],
  ["h_t = h_{t-1}\n^b ~ 1", "no equation reads a weight b"],
  ["h_t = h_{t-1} + b\nb ~ 1\n^b ~ 2", "b has two starts"],
  ["h_t = b ∘ h_{t-1}\nb ~ ^unifrm(0, 1)", "there is no function unifrm; there are glorot, …"],
  ["h_t = b ∘ h_{t-1}\n^b_t ~ 1", "only weights have a start"],
  ["h_t = h_{t-1} ∘ ^1e999", "this number is too large"],
  ["h_t = ^h_{t-1}0", "the time of a value is t or t−1"],
  // With sizes: 4 units, 3 features.
  ["h_t = h_{t-1} ^+ x_t", "+ of 4 and 3 numbers (there are 3 features and 4 units); multiply x by a matrix"],
  ["h_t = ^W + h_{t-1}", "W is a matrix, since it begins with a capital letter; write W x_t"],
  ["h_t = u ^h_{t-1}", "a product of two values without a sign; write ∘ or * for each number by itself"],
  ["h_t = W x + W h_{t-1}".replace("W h", "^W h"), "W multiplies 4 numbers here, and 3 elsewhere; use another matrix"],
  ["h_t = h_{t-1} + W ^2", "what a matrix multiplies is a number; expected a value of the step"],
  ["h_t = h_{t-1} + ^[x, x]", "a list stands behind a matrix: W [x_t, h_{t-1}]"],
  ["^h_t = x_t\ny = h_{t-1}", "h_t has 3 numbers, and a state has as many as units: 4"],
  ["h_t = ^w? x + h_{t-1}", "w is no matrix: the name of one begins with a capital letter"],
  ["h_t = ^relu(2) h_{t-1}", "relu of numbers alone; write its value"],
  ["h_t = W [x, h_{t-1}]\nW ~ ^[1, 2, 3]", "3 starts for 2 inputs"],
  ["h_t = b ∘ h_{t-1}\nb ~ ^uniform(1)", "uniform needs 2 numbers, not 1"],
  ["h_t = b ∘ h_{t-1}\nb ~ 1 + ^c", "a start is a number, glorot, …"],
  ["h_t = b ∘ h_{t-1}\nb ~ ^chrono(2)", "chrono: longest must be 3 or more steps, got 2"],
  ["h_t = b ∘ h_{t-1}\nb ~ ^sqrt(-1)", "this is NaN, not a number"],
];

test.each(wrong)("%s", (marked, what) => {
  const [before = "", ...after] = marked.replace(/ \^ /g, " \u0001 ").split("^");
  // A power is not marked: the mark is the first `^` without spaces around it.
  const text = `${before}${after.join("^")}`.replaceAll("\u0001", "^");
  const fault = faultOf(text);
  const lines = before.split("\n");
  const [line, column] = [lines.length, (lines.at(-1) ?? "").length + 1];
  const [start = "", shown, caret] = fault.message.split("\n");
  const [expected = "", ...more] = `cell.cell:${line}:${column}: ${what}`.split("…");
  if (more.length === 0 || !what.endsWith("…")) expect(start).toBe(`cell.cell:${line}:${column}: ${what}`);
  else expect(start.slice(0, expected.length)).toBe(expected);
  expect(shown).toBe(`  ${text.split("\n")[line - 1]}`);
  expect(caret).toBe(`  ${" ".repeat(column - 1)}^`);
});

function faultOf(text: string): EquationError {
  try {
    traced(parseCell(text));
  } catch (error) {
    if (error instanceof EquationError) return error;
    throw error;
  }
  throw new Error(`no fault in ${text}`);
}

test("of a long line its part is shown, and no control character", () => {
  const { message } = faultOf(`h_t = ${"h_{t-1} + ".repeat(40)}\u001b`);
  const [, shown = "", caret = ""] = message.split("\n");
  expect(shown.length).toBeLessThan(130);
  expect(shown[caret.length - 1]).toBe(" ");
  expect(message).not.toContain("\u001b");
  expect(faultOf(`h_t = ${"(".repeat(5000)}`).what).toBe("more than 100 brackets within each other");
});

test("whatever the text, it is a cell or has a fault at one of its characters", slow, () => {
  const tokens = [
    ..."+-*∘·/^=~?,;()[]'#\n ",
    "h_t",
    "h_{t-1}",
    "x",
    "W",
    "b_z",
    "σ",
    "max",
    "2",
    "1e3",
    "_",
    "{",
    "ₜ₋₁",
    "\r\n",
  ];
  const whole = fc.constantFrom(...Object.keys(cells)).map(textOf);
  const edited = fc.tuple(whole, fc.nat(), fc.nat(9), fc.array(fc.constantFrom(...tokens), { maxLength: 4 }));
  const changed = edited.map(([text, at, count, put]) => {
    const start = at % (text.length + 1);
    return text.slice(0, start) + put.join("") + text.slice(start + count);
  });
  const soup = fc.array(fc.constantFrom(...tokens), { maxLength: 30 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(changed, soup, fc.string(), fc.string({ unit: "binary" })), (text) => {
      try {
        traced(parseCell(text));
      } catch (error) {
        if (!(error instanceof EquationError)) throw error;
        expect(error).toBeInstanceOf(UserError);
        const lines = text.split(/\r\n|\r|\n/);
        const line = lines[error.line - 1];
        expect(line).toBeDefined();
        expect(error.column).toBeLessThanOrEqual([...(line ?? "")].length + 1);
        expect(error.message.split("\n")).toHaveLength(3);
      }
    }),
    { numRuns: 150, seed: 7 },
  );
});

test("the parser is made of the grammar", () => {
  const script = fileURLToPath(new URL("../../../scripts/grammar.mjs", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

test("equal weights are initialized equally", () => {
  const values = (cell: CellDefinition) => initialize(traced(cell).parameters, 3);
  expect(values(parseCell(textOf("gru"), { name: "gru" }))).toEqual(values(cells.gru as CellDefinition));
});
