/** @file Traced cells as the text of .cell files: what is read again is the same cell, and what cannot be written says why. */
import { expect, test } from "vitest";
import { zoo } from "../../../cells/zoo.ts";
import { traceCell } from "../../../compiler/dsl/traced-cell.ts";
import type { Graph, NodeId } from "../../../compiler/graph/graph.ts";
import { nodeAt } from "../../../compiler/graph/graph.ts";
import { cellText, parseCell } from "../../../entries/equations.ts";
import type { CellDefinition } from "../../../index.ts";
import { add, cell, dense, matmul, mul, parameter, pow, type Tensor, tanh, zerosInit } from "../../../index.ts";
import { run } from "../../cli/run.ts";
import { cells } from "./cells.ts";

const traced = (definition: CellDefinition, features = 3) => {
  const [trace] = traceCell(definition, [{ units: 4, features }]).traces;
  if (trace === undefined) throw new Error("no trace");
  return trace;
};

/** The outputs as nested expressions, whatever the order of nodes. */
function expressionsOf(graph: Graph): unknown {
  const known = new Map<NodeId, string>();
  const of = (id: NodeId): string => {
    const { op, attrs, operands } = nodeAt(graph, id);
    const text = known.get(id) ?? `${op} ${JSON.stringify(attrs)} (${operands.map(of).join(", ")})`;
    known.set(id, text);
    return text;
  };
  return graph.outputs.map(of);
}

const writable = [
  ...Object.keys(cells),
  ...["lstm1997", "gru-reset-after", "relu-rnn", "irnn", "peephole-lstm", "coupled-lstm", "multiplicative-lstm"],
  ...["recurrent-highway", "min-lstm"],
];

test.each(writable.flatMap((name) => [3, 4].map((features) => [name, features] as const)))(
  "%s of %i features is read again with the same operations, weights and initial values",
  (name, features) => {
    const trace = traced(zoo[name as keyof typeof zoo] as CellDefinition, features);
    const text = cellText(trace);
    const again = traced(parseCell(text, { name }), features);
    expect(expressionsOf(again.graph)).toEqual(expressionsOf(trace.graph));
    const byPath = (specs: typeof trace.parameters) => Object.fromEntries(specs.map((spec) => [spec.path, spec]));
    expect(byPath(again.parameters)).toEqual(byPath(trace.parameters));
    expect(cellText(again)).toBe(text);
  },
);

test("an LSTM as text", () => {
  expect(cellText(traced(zoo.lstm as CellDefinition))).toBe(`input_t = σ(W_input [x_t, h_{t-1}] + b_input)
forget_t = σ(W_forget [x_t, h_{t-1}] + b_forget)
o_t = σ(W_output [x_t, h_{t-1}] + b_output)
candidate_t = tanh(W_candidate [x_t, h_{t-1}] + b_candidate)
c_t = forget_t ∘ c_{t-1} + input_t ∘ candidate_t
h_t = o_t ∘ tanh(c_t)

b_forget ~ 1
`);
});

test.each([
  "h_t = h_{t-1} - (1 - x) - (h_{t-1} - 2)",
  "h_t = h_{t-1} / (2 / h_{t-1}) / 3 + -(h_{t-1} ∘ x) + (-h_{t-1}) ∘ x",
  "h_t = (h_{t-1} + 1)^2 + (-h_{t-1})^2.5 + 2^(h_{t-1} + x)",
  "h_t = W (U (h_{t-1} + x)) ∘ -0.5 + max(x, h_{t-1}) + exp(-1e-9 h_{t-1})",
  "h_t = c_{t-1}\nc_t = x_t\ny_t = h_{t-1}",
  "h_t = tanh(W x + W h_{t-1})\ny = h_t + c_t\nc_t = h_t",
  "c_t = relu(x + h_{t-1})\nh_t = c_t",
])("%s", (text) => {
  const trace = traced(parseCell(text), 4);
  const again = traced(parseCell(cellText(trace)), 4);
  expect(expressionsOf(again.graph)).toEqual(expressionsOf(trace.graph));
});

type Float = Tensor<"f32">;
const ofStep = (name: string, next: (x: Float, h: Float, units: number) => Float, shape = (units: number) => [units]) =>
  cell(name, { state: ({ units }) => ({ h: shape(units) }) }, ({ x, h, units }) => {
    const state = next(x, h, units);
    return { state: { h: state }, output: state };
  }) as CellDefinition;

test.each([
  ["an op", zoo.lru as CellDefinition, /^lru cannot be a \.cell file: it uses expm1 at cells\/lru\.ts:\d+$/],
  ["a state", zoo.mlstm as CellDefinition, /its state C is \[1, 4, 4\]; a state there is \[units\]$/],
  [
    "a weight",
    zoo["layer-norm-lstm"] as CellDefinition,
    /its weight recurrent\/kernel is \[4, 16\]; a weight there is/,
  ],
  [
    "a start",
    ofStep("ring", (x, h, units) =>
      add(mul(h, parameter("nu", [units], { kind: "ringModulus", inner: 0, outer: 0.5 })), dense("a", x, units)),
    ),
    /its weight nu starts by ringModulus, which has no name there$/,
  ],
  [
    "a product with no weight",
    ofStep("tied", (_, h) => matmul(h, tanh(parameter("kernel", [4, 4], zerosInit)))),
    /it has a product with a matrix that is no weight$/,
  ],
  [
    "a state's name",
    cell("named", { state: ({ units }) => ({ exp: [units] }) }, ({ exp }) => ({
      state: { exp },
      output: pow(exp, 2),
    })) as CellDefinition,
    /its state "exp" has a name that no equation can have$/,
  ],
])("%s that cannot be written", (_, definition, line) => {
  expect(() => cellText(traced(definition))).toThrow(line);
});

test("the command line prints equations, as text or as LaTeX", async () => {
  const inspect = (...args: string[]) => run("inspect", "--units", "4", "--embed", "3", ...args);
  const { code, stdout } = await inspect("--cell", "gru", "--equations");
  expect({ code, stdout }).toEqual({ code: 0, stdout: cellText(traced(zoo.gru as CellDefinition)) });
  const latex = await inspect("--cell", "rnn", "--latex");
  expect(latex.stdout).toMatch(/^\\begin\{aligned\}\nh_t &= \\tanh\(/);
  const json = await inspect("--cell", "rnn", "--equations", "--json");
  expect(JSON.parse(json.stdout)).toEqual({
    cell: "rnn",
    units: 4,
    features: 3,
    equations: cellText(traced(zoo.rnn as CellDefinition)),
  });
  expect((await inspect("--cell", "lru", "--equations")).stderr).toMatch(
    /^cellgrad: lru cannot be a \.cell file: [^\n]+\n$/,
  );
  expect(await inspect("--latex", "--equations")).toMatchObject({
    code: 2,
    stderr: "cellgrad: --latex and --equations are two ways to print a cell; give one\n",
  });
  expect((await inspect("--latex", "--profile")).stderr).toBe(
    "cellgrad: --latex prints equations and runs nothing; leave out --profile\n",
  );
});
