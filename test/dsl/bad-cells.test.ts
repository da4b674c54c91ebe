/** @file Error messages about mistakes in custom layers and cells. */
import { describe, expect, test } from "vitest";
import { lstm, rnn } from "../../cells/index.ts";
import { traceCell } from "../../compiler/dsl/traced-cell.ts";
import {
  add,
  type Cell,
  cast,
  cell,
  dense,
  embedding,
  fill,
  glorot,
  layerNorm,
  model,
  parameter,
  reshape,
  scan,
  sum,
  type Tensor,
} from "../../index.ts";
import { refusals, sequence, whatever } from "../support/refused.ts";
import { rowsSaid } from "../trust/fault-table.ts";

const { refused, rowsRefused } = refusals();

type Float = Tensor<"f32">;

describe("layers and parameters", () => {
  const within = (f: (s: Float) => Float) => model("m", f).specs(sequence);
  refused([
    ["no units", ({ p }) => dense("l", p, 0), 'dense "l" at …: units must be a whole number above 0, got 0'],
    ["no input", () => within(() => dense("l", [], 3)), 'dense "l" at …: expected at least one input, got none'],
    [
      "initializers for other inputs",
      () => within((s) => dense("l", s, 3, { kernel: [glorot, glorot] })),
      'dense "l" at …: 2 kernel initializers for 1 inputs; give one for each, or one for all',
    ],
    [
      "a layer outside of a model",
      ({ p }) => dense("l", p, 3),
      "parameter at …: parameters exist only inside a model: wrap the function with model(…)",
    ],
    [
      "a width that is the batch",
      ({ q }) => layerNorm("n", q),
      'layerNorm "n" at …: x is [4, B]; its last axis must be a known number of features',
    ],
    [
      "a parameter for each row",
      () => within(() => parameter("w", ["B"], glorot)),
      "parameter w at … has shape [B]: every axis must be a whole number above 0",
    ],
    [
      "half a weight",
      () => within(() => parameter("w", [1.5], glorot)),
      "parameter w at … has shape [1.5]: every axis must be a whole number above 0",
    ],
    [
      "an empty vocabulary",
      ({ i }) => model("m", (s: Float) => add(sum(embedding("e", i, 0, 4)), s)).specs(sequence),
      "parameter e/table at … has shape [0, 4]: every axis must be a whole number above 0",
    ],
    [
      "a number in the place of a parameter",
      ({ p }) => model("m", (x: Float) => dense("l", x, 2)).apply({ "l/kernel": whatever(3) }, p),
      "parameter l/kernel is 3, not a tensor; the model expects [3, 2]",
    ],
  ]);
});

describe("cells", () => {
  interface Step {
    readonly x: Float;
    readonly h: Float;
  }
  /** A cell with one state whose step gives whatever `f` does. */
  const odd = (f: (step: Step) => unknown): Cell =>
    cell("odd", { state: ({ units }) => ({ h: [units] }) }, (step) => whatever(f(step)))(2);
  const run = (instance: Cell, initial?: Record<string, Tensor>) =>
    model("m", (s: Float) => scan(instance, s, whatever({ initial })).outputs).specs(sequence);

  refused([
    [
      "a sequence whose width is symbolic",
      () => model("m", (s: Float) => scan(rnn(2), reshape(s, [3, 2, "T"])).outputs).specs(sequence),
      "rnn at …: x is [2, T]; its last axis must be a known number of features",
    ],
    [
      "no output",
      () => run(odd(({ h }) => ({ state: { h } }))),
      "odd at …: the step must return { state, output }; output is undefined, not a tensor",
    ],
    [
      "an output without a batch",
      () => run(odd(({ h, x }) => ({ state: { h }, output: sum(x) }))),
      "odd at …: output is []; expected [2, …], as x is [2, 3]",
    ],
    [
      "an integer state",
      () => run(odd(({ h, x }) => ({ state: { h: cast(h, "i32") }, output: x }))),
      "scan at …: carry 0 starts as f32[2,2] and leaves the step as i32[2,2]; its dtype and shape must not change",
    ],
    [
      "a state that a cell without states returns",
      () => run(cell("odd", { state: () => ({}) }, ({ x }) => whatever({ state: { k: x }, output: x }))(2)),
      "odd at …: the step returns a state k that the cell does not have; its states are none",
    ],
    [
      "a start of another width",
      ({ p }) => run(rnn(2) as Cell, { h: p }),
      "scan at …: the initial state h is [2, 3]; rnn of 2 units needs [2, 2]",
    ],
    [
      "a start that lacks a state",
      () => run(lstm(2) as Cell, { h: fill([2, 2], 0) }),
      "scan at …: the initial state lacks c of lstm",
    ],
    [
      "a cell that is traced with a symbolic state",
      () =>
        traceCell(
          cell("wide", { state: () => ({ h: ["B"] }) }, ({ x, h }) => ({ state: { h }, output: x })),
          [{ units: 2, features: 3 }],
        ),
      "wide: state h has an axis B; the axes of a state are whole numbers",
    ],
    [
      "a cell that is traced with an output of one number a row",
      () =>
        traceCell(
          cell("thin", { state: () => ({ h: [2] }) }, ({ x, h }) => ({ state: { h }, output: sum(x, 1) })),
          [{ units: 2, features: 3 }],
        ),
      "thin: at units 2, features 3 its output is [B]; expected [B, …]",
    ],
  ]);
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("dsl/bad-cells.test.ts")).toBe(rowsRefused());
});
