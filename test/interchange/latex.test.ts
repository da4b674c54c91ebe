/** @file The equations of cells as LaTeX: as in their papers, every op, and random cells; KaTeX accepts all of them. */
import fc from "fast-check";
import katex from "katex";
import { describe, expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import { type CellTrace, traceCell } from "../../compiler/dsl/traced-cell.ts";
import { ancestorsOf, type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import type { TableOp } from "../../compiler/ops/table.ts";
import { arbitraryCell } from "../../entries/testing.ts";
import {
  add,
  type CellDefinition,
  cast,
  cell,
  concat,
  dense,
  dimSize,
  div,
  equal,
  exp,
  less,
  matmul,
  mean,
  mul,
  normal,
  or,
  parameter,
  sigmoid,
  square,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
} from "../../index.ts";
import { equationsOf, latexOf } from "../../interchange/latex/equations.ts";
import { rules } from "../../interchange/latex/rules.ts";
import { arrayCases } from "../support/array-cases.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import type { OpCase } from "../support/evaluate.ts";
import { slow } from "../support/some-of.ts";

function traceOf<Names extends string>(definition: CellDefinition<Names>, units = 8): CellTrace {
  const [trace] = traceCell(definition, [{ units, features: 8 }]).traces;
  if (trace === undefined) throw new Error("no trace");
  return trace;
}

type Float = Tensor<"f32">;

/** Throws where KaTeX finds a fault, or something that it reads with a warning. */
const typeset = (tex: string) => katex.renderToString(tex, { displayMode: true, throwOnError: true, strict: "error" });

/** Each equation on one line, with names as the cell has them. */
function readings(trace: CellTrace): string[] {
  return equationsOf(trace).map(({ left, right }) =>
    `${left} = ${right.join(" ")}`.replaceAll(/\\(?:mathrm|text)\{([^{}]*)\}/g, "$1").replaceAll(/\s+/g, " "),
  );
}

/** Ops that may be written in several lines: what is given, and other views of it. */
const repeated: ReadonlySet<string> = new Set(
  "input constant iota dimSize reshape broadcast slice concat scan".split(" "),
);

/** Every node that the results need stands in one equation, and in no other. */
function expectWhole({ graph }: CellTrace, equations: ReturnType<typeof equationsOf>): void {
  const written = equations.flatMap(({ nodes }) => nodes);
  for (const id of ancestorsOf(graph)) {
    const { op } = nodeAt(graph, id);
    const times = written.filter((one) => one === id).length;
    if (repeated.has(op)) continue;
    expect(times, `%${id} = ${op} of ${graph.name}`).toBe(1);
  }
}

describe("equations of papers", () => {
  test("Gers et al. 2000: the LSTM", () => {
    expect(readings(traceOf(zoo.lstm as CellDefinition))).toEqual([
      "input_t = \\sigma(W_{input} x_t + U_{input} h_{t-1} + b_{input})",
      "forget_t = \\sigma(W_{forget} x_t + U_{forget} h_{t-1} + b_{forget})",
      "output_t = \\sigma(W_{output} x_t + U_{output} h_{t-1} + b_{output})",
      "candidate_t = \\tanh(W_{candidate} x_t + U_{candidate} h_{t-1} + b_{candidate})",
      "c_t = forget_t \\circ c_{t-1} + input_t \\circ candidate_t",
      "h_t = output_t \\circ \\tanh(c_t)",
    ]);
  });

  test("Cho et al. 2014: the GRU, equations 5 to 8", () => {
    expect(readings(traceOf(zoo.gru as CellDefinition))).toEqual([
      "update_t = \\sigma(W_{update} x_t + U_{update} h_{t-1} + b_{update})",
      "reset_t = \\sigma(W_{reset} x_t + U_{reset} h_{t-1} + b_{reset})",
      "candidate_t = \\tanh(W_{candidate} x_t + U_{candidate} (reset_t \\circ h_{t-1}) + b_{candidate})",
      "h_t = update_t \\circ h_{t-1} + (1 - update_t) \\circ candidate_t",
    ]);
  });

  test("Beck et al. 2024: the states of the mLSTM, equations 19 to 21", () => {
    const lines = readings(traceOf(zoo.mlstm as CellDefinition));
    expect(lines).toContain("C_t = v_t\\,C_{t-1} + (p_t\\,value_t) key_t^\\top");
    expect(lines).toContain("n_t = v_t\\,n_{t-1} + p_t\\,key_t");
    expect(lines.at(-1)).toBe(
      "y_t = output_t \\circ \\frac{C_t query_t}{\\max(\\lvert \\operatorname{sum}(n_t \\circ query_t) \\rvert, \\exp(-m_t))}",
    );
  });

  test("Yang et al. 2023: the memory of gated linear attention, equation 3", () => {
    const lines = readings(traceOf(zoo["gated-linear-attention"] as CellDefinition));
    expect(lines.slice(0, 2)).toEqual([
      "S_t = (\\exp(0.0625\\,\\ln \\sigma(W_{decay} (W_{decay/in} x_t) + b_{decay})))\\,\\mathbf{1}^\\top \\circ S_{t-1} + (W_{key} x_t) (W_{value} x_t)^\\top",
      "u_t = S_t^\\top W_{query} x_t",
    ]);
  });

  test("Yang et al. 2024: the delta rule of the gated DeltaNet, equation 10", () => {
    const lines = readings(traceOf(zoo["gated-delta-net"] as CellDefinition));
    expect(lines).toContain("S_t = e_t + (correction_t\\,(s_t \\circ value_t - e_t d_t)) d_t^\\top");
  });

  test("Orvieto et al. 2023: the LRU, whose constants have no time", () => {
    const lines = readings(traceOf(zoo.lru as CellDefinition));
    expect(lines.slice(0, 2)).toEqual(["u = -\\exp(\\nu)", "v = \\exp(\\theta)"]);
    expect(lines).toContain("a_t = q \\circ a_{t-1} - r \\circ b_{t-1} + s \\circ W_{B/real} x_t");
  });

  test("Le et al. 2015: a ReLU is one function again", () => {
    expect(readings(traceOf(zoo.irnn as CellDefinition))).toEqual([
      "h_t = \\max(0, W_{hidden} x_t + U_{hidden} h_{t-1} + b_{hidden})",
    ]);
  });
});

describe("notation", () => {
  const state = { state: ({ units }: { units: number }) => ({ h: [units] }) };

  test("parentheses appear where they are needed", () => {
    const odd = cell("odd", state, ({ x, h }) => {
      const next = sub(h, sub(x, add(mul(x, sub(1, h)), square(add(x, h)))));
      return { state: { h: next }, output: mul(-1, next) };
    });
    expect(readings(traceOf(odd))).toEqual([
      "h_t = h_{t-1} - (x_t - (x_t \\circ (1 - h_{t-1}) + (x_t + h_{t-1})^2))",
      "y_t = (-1)\\,h_t",
    ]);
  });

  test("compositions are recognised as one function, unless a part has other uses", () => {
    const composed = cell("composed", state, ({ x, h, units }) => {
      const both = add(dense("left", x, units, { bias: false }), dense("right", x, units, { bias: false }));
      const below = less(h, 0);
      const rectified = where(or(below, equal(h, 0)), 0, h);
      const centred = sub(mean(h, -1, { keepAxes: true }), div(sum(x, -1, { keepAxes: true }), 3));
      return { state: { h: add(mul(both, h), cast(below, "f32")) }, output: add(rectified, centred) };
    });
    expect(readings(traceOf(composed))).toEqual([
      "u_t = h_{t-1} < 0",
      "h_t = (W_{left} x_t + W_{right} x_t) \\circ h_{t-1} + [u_t]",
      "y_t = \\begin{cases} 0 & where u_t \\lor (h_{t-1} = 0) \\\\ h_{t-1} & elsewhere \\end{cases} + " +
        "\\operatorname{mean}(h_{t-1}) - \\frac{\\operatorname{sum}(x_t)}{3}",
    ]);
  });

  test("custom matrices that multiply from the right are transposed", () => {
    const own = cell("own", state, ({ x, h, units }) => {
      const recurrent = parameter("Q", [units, units], normal(0.1));
      const joined = matmul(concat([x, h]) as Float, parameter("V", [16, units], normal(0.1)));
      const next = tanh(add(matmul(h, transpose(exp(recurrent))), joined));
      return { state: { h: next }, output: h };
    });
    expect(readings(traceOf(own))).toEqual([
      "h_t = \\tanh(((\\exp(Q))^\\top)^\\top h_{t-1} + V[0:8]^\\top x_t + V[8:16]^\\top h_{t-1})",
      "y_t = h_{t-1}",
    ]);
  });

  test("names with special characters are escaped", () => {
    const named = cell("named", { state: ({ units }) => ({ y: [units] }) }, ({ x, y, units }) => {
      const gate = sigmoid(dense("50%_of {all} #1^~\\x", [x, y], units));
      return { state: { y: mul(gate, y) }, output: gate };
    });
    const equations = equationsOf(traceOf(named));
    expect(
      typeset(latexOf(equations))
        .replaceAll(/<[^>]*>/g, "")
        .replaceAll("\u00a0", " "),
    ).toContain("50%_of {all} #1^~\\x");
    expect(equations.map(({ left }) => left)).toEqual(["\\mathrm{out}_t", "y_t"]);
  });

  test("long lines are broken before an operator, and none within a fraction", () => {
    const wide = equationsOf(traceOf(zoo.lstm as CellDefinition), 24)[0];
    expect(wide?.right).toEqual([
      "\\sigma(W_{\\mathrm{input}} x_t + U_{\\mathrm{input}} h_{t-1}",
      "+ b_{\\mathrm{input}})",
    ]);
    for (const { right } of equationsOf(traceOf(zoo.mlstm as CellDefinition), 5))
      for (const line of right) expect(line.split("{").length).toBe(line.split("}").length);
  });
});

test.each(Object.entries(zoo))("KaTeX reads the equations of %s, which are all of its step", (_, definition) => {
  const trace = traceOf(definition);
  const equations = equationsOf(trace);
  typeset(latexOf(equations));
  typeset(latexOf(equationsOf(trace, 20)));
  expectWhole(trace, equations);
});

/** A graph as the step of a cell: its first argument as x, and of its results all but the last as states. */
function asStep(graph: Graph): CellTrace {
  const states = graph.outputs.slice(1).map((_, i) => ({ name: `s${i}`, shape: [] }));
  return { units: 1, features: 1, states, parameters: [], graph };
}

test("KaTeX accepts every op", () => {
  const cases: { readonly [K in TableOp]: OpCase } = { ...arrayCases, ...elementwiseCases };
  const seen = new Set<string>();
  const check = (graph: Graph) => {
    for (const { op } of graph.nodes) seen.add(op);
    const trace = asStep(graph);
    const equations = equationsOf(trace);
    typeset(latexOf(equations));
    expectWhole(trace, equations);
  };
  for (const [name, { gives }] of Object.entries(cases)) {
    for (const [f, args] of gives) {
      const avals = args.map(({ dtype, shape }, i) => ({ name: `v${i}`, dtype, shape }));
      check(traceGraph(name, avals, (tensors) => [f(...(tensors as never[])) as Tensor]));
    }
  }
  check(traceGraph("size", [{ name: "x", dtype: "f32", shape: ["T"] }], ([x]) => [mul(x as Float, dimSize("T"))]));
  const composed = ["product", "outer", "lessEqual", "relu", "mean", "logSigmoid", "square", "scan", "result"];
  expect([...seen, ...composed].sort()).toEqual(Object.keys(rules).sort());
});

test("KaTeX accepts the steps of random cells, which are complete", slow, () => {
  fc.assert(
    fc.property(arbitraryCell(), ({ inputs, run }) => {
      const whole = traceGraph("random", inputs, (tensors) => {
        const { outputs, states } = run(tensors);
        return [outputs, ...states];
      });
      for (const graph of graphsIn(whole)) {
        const trace = asStep(graph);
        const equations = equationsOf(trace);
        typeset(latexOf(equations));
        expectWhole(trace, equations);
      }
    }),
    { numRuns: 60, seed: 11 },
  );
});

/** The graph and the bodies of its loops. */
function graphsIn(graph: Graph): Graph[] {
  return [graph, ...graph.nodes.flatMap((node) => (node.op === "scan" ? graphsIn(node.attrs.body) : []))];
}
