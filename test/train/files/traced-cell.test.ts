/** @file A cell as data and back: the same numbers, gradients and parameters; malicious text is a one-line error. */
import { describe, expect, test } from "vitest";
import { cells } from "../../../cells/index.ts";
import { chrono, ringModulus, ringPhase } from "../../../compiler/dsl/initializers.ts";
import { cellFromTrace, traceCell } from "../../../compiler/dsl/traced-cell.ts";
import { UserError } from "../../../compiler/graph/errors.ts";
import { inputName } from "../../../compiler/graph/graph.ts";
import { ndarray } from "../../../compiler/graph/ndarray.ts";
import {
  add,
  type CellDefinition,
  cell,
  constantInit,
  dense,
  glorot,
  type Initializer,
  identity,
  interpret,
  matmul,
  model,
  mul,
  normal,
  orthogonal,
  outer,
  parameter,
  reshape,
  scan,
  scanTensors,
  sum,
  type Tensor,
  tanh,
  trainingStep,
  uniform,
} from "../../../index.ts";
import { textWithGraphs } from "../../../train/files/graph-json.ts";
import { decodeCell, encodeCell } from "../../../train/files/traced-cell-json.ts";
import { languageModel } from "../../../train/networks.ts";
import { lineOf, whatever } from "../../support/refused.ts";
import { rowsSaid } from "../../trust/fault-table.ts";
import { control, revealing, startOf, states, tokens, type Values } from "../steps.ts";

/** A state that is a matrix, a parameter that is no dense layer, and an output wider than its states. */
const associative = cell(
  "associative",
  { state: ({ units }) => ({ memory: [units, units], key: [units] }) },
  ({ x, memory, key, units }) => {
    const decay = parameter("decay", [units], uniform(0.2, 0.9));
    const value = tanh(dense("value", [x, key], units, { bias: 0.5 }));
    const next = add(mul(memory, 0.5), outer(value, key));
    const read = sum(mul(next, reshape(mul(key, decay), ["B", 1, units])), -1);
    return { state: { memory: next, key: value }, output: dense("wide", [read, value], units + 2, { bias: false }) };
  },
) as CellDefinition;

const inner = cell("inner", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = tanh(dense("hidden", [x, h], units));
  return { state: { h: next }, output: next };
});

/** A cell within a cell, used twice: one set of weights. */
const nested = cell("nested", { state: ({ units }) => ({ a: [units], b: [units] }) }, ({ x, a, b, units }) => {
  const instance = inner(units);
  const first = instance.step(dense("in", x, units), { h: a });
  const second = instance.step(first.output, { h: b });
  return { state: { a: first.state.h, b: second.state.h }, output: second.output };
}) as CellDefinition;

const subjects: readonly CellDefinition[] = [...Object.values(cells), associative, nested];
const sizes = { units: 3, layers: 2, vocabulary: 4, embed: 2 };
const roundTrip = (definition: CellDefinition) =>
  cellFromTrace(decodeCell(encodeCell(traceCell(definition, [{ units: 3, features: 2, layers: 2 }]))));

describe.each(subjects.map((definition) => [definition.cellName, definition] as const))("%s", (_name, definition) => {
  const original = languageModel({ ...sizes, cell: definition });
  const copy = languageModel({ ...sizes, cell: roundTrip(definition) });

  test("parameters have the same paths, shapes and initializers", () => {
    expect(copy.specs).toEqual(original.specs);
    expect(copy.stateShapes).toEqual(original.stateShapes);
  });

  test("values and gradients are equal", () => {
    const inputs: Values = {
      parameters: startOf(original),
      ...control,
      ...states(original, 2, 0.5),
      x: tokens([5, 2], 4, "x"),
      targets: tokens([5, 2], 4, "targets"),
    };
    const run = (network: typeof original) => {
      const { graph } = trainingStep(network, { optimizer: revealing });
      return interpret(
        graph,
        graph.inputs.map((id) => inputs[inputName(graph, id)] ?? ndarray([], [])),
      );
    };
    const [wanted, got] = [run(original), run(copy)];
    expect(wanted[0]?.data.some((x) => x !== 0)).toBe(true);
    expect(got).toEqual(wanted);
  });
});

test("source lines are preserved", () => {
  const traced = traceCell(associative, [{ units: 2, features: 2 }]);
  const sites = (graph: { sites: readonly unknown[] } | undefined) => graph?.sites.filter((site) => site !== undefined);
  expect(sites(traced.traces[0]?.graph)).toContainEqual(expect.stringMatching(/traced-cell\.test\.ts:\d+:\d+$/));
  expect(decodeCell(encodeCell(traced))).toEqual(traced);
});

test("nodes without a line stay without one", () => {
  const traced = traceCell(cells.gru as CellDefinition, [{ units: 3, features: 2 }]);
  const document = JSON.parse(encodeCell(traced)) as Json;
  Object.assign(document.traces?.[0]?.graph ?? {}, { sites: traced.traces[0]?.graph.nodes.map(() => null) });
  const [trace] = decodeCell(JSON.stringify(document)).traces;
  expect(trace?.graph.sites).toEqual(trace?.graph.nodes.map(() => undefined));
});

test("a stack is traced once for each input width", () => {
  const { traces } = traceCell(associative, [{ units: 3, features: 2, layers: 9 }]);
  expect(traces.map(({ features }) => features)).toEqual([2, 5]);
});

test("a repeated size is traced once", () => {
  expect(
    traceCell(associative, [
      { units: 3, features: 2 },
      { units: 3, features: 2 },
    ]).traces,
  ).toHaveLength(1);
});

test("a batch of known size is an error, since the trace has a symbolic one", () => {
  const copy = roundTrip(cells.gru as CellDefinition);
  const xs = { name: "xs", dtype: "f32", shape: ["T", 5, 2] } as const;
  expect(lineOf(() => model("m", (x: Tensor<"f32">) => scan(copy(3), x).outputs).specs(xs))).toBe(
    "gru at …: x is [5, 2]; a traced cell takes [B, 2]",
  );
});

test("every initializer survives a round trip", () => {
  const starts: readonly Initializer[] = [
    constantInit(0.5),
    glorot,
    orthogonal(2),
    identity(3),
    normal(0.1),
    uniform(-1, 2),
    chrono(9),
    ringModulus(0.4, 0.9),
    ringPhase(3),
  ];
  const varied = cell("varied", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const weights = starts.map((start, i) => parameter(`w${i}`, [units, units], start));
    const mixed = dense("mixed", [x, h], units, { kernel: [glorot, orthogonal()] });
    return { state: { h: weights.reduce((sum, weight) => matmul(sum, weight), mixed) }, output: h };
  }) as CellDefinition;
  const traced = traceCell(varied, [{ units: 2, features: 3 }]);
  expect(decodeCell(encodeCell(traced)).traces[0]?.parameters).toEqual(traced.traces[0]?.parameters);
  expect(traced.traces[0]?.parameters).toHaveLength(starts.length + 2);
});

test("an untraced size is an error that lists the traced ones", () => {
  const copy = roundTrip(cells.gru as CellDefinition);
  expect(() => languageModel({ ...sizes, cell: copy, embed: 7 })).toThrow(
    /^gru: it was not traced at units 3, features 7, only at units 3, features 2; units 3, features 3; trace it at that size too$/,
  );
  expect(() => languageModel({ ...sizes, cell: copy, units: 8 })).toThrow(/it was not traced at units 8/);
});

test("a state cannot have the name of an input of the step", () => {
  const shadowing = cell("shadowing", { state: ({ units }) => ({ features: [units] }) }, ({ x }) => ({
    state: { features: x },
    output: x,
  }));
  expect(() => shadowing(2)).toThrow(/shadowing( at \S+)?: a state cannot be called features/);
});

type Json = { [key: string]: Json & Json[] } & { [key: number]: Json };

const damages: readonly [title: string, change: (document: Json) => unknown, fault: RegExp][] = [
  ["another version", (d) => ({ ...d, version: 2 }), /^the cell's version: expected 1/],
  ["no traces", (d) => ({ ...d, traces: [] }), /^traces: expected at least one/],
  ["a name of two lines", (d) => ({ ...d, name: "a\nb" }), /^name: expected a short name/],
  ["units of text", (d) => edit(d, (t) => Object.assign(t, { units: "3" })), /^traces\[0\]\.units: expected a whole/],
  ["other features", (d) => edit(d, (t) => Object.assign(t, { features: 5 })), /input 0 of its graph is f32\[B, 2\]/],
  ["a state less", (d) => edit(d, (t) => Object.assign(t, { states: [] })), /are not those of a step/],
  [
    "a parameter twice",
    (d) => edit(d, (t) => Object.assign(t, { parameters: [t.parameters?.[0], t.parameters?.[0]] })),
    /parameters: expected different names/,
  ],
  [
    "a huge parameter",
    (d) => edit(d, (t) => Object.assign(t.parameters?.[0] ?? {}, { shape: [1e6, 1e6] })),
    /shape: expected at most/,
  ],
  [
    "an initializer that is none",
    (d) => edit(d, (t) => Object.assign(t.parameters?.[0] ?? {}, { initializer: { kind: "toString" } })),
    /initializer\.kind: expected an initializer/,
  ],
  [
    "an op that is none",
    (d) => edit(d, (t) => Object.assign(t.graph?.nodes?.[5] ?? {}, { op: "fetch" })),
    /nodes\[5\]\.op: expected an op/,
  ],
  [
    "a node that reads itself",
    (d) => edit(d, (t) => Object.assign(t.graph?.nodes?.[6] ?? {}, { operands: [6] })),
    /node %6 \(\w+\): an operand does not come before it/,
  ],
  [
    "a line that is two",
    (d) => edit(d, (t) => Object.assign(t.graph ?? {}, { sites: t.graph?.nodes?.map(() => "a.ts:1\n}") })),
    /sites\[0\]: expected a line of a file/,
  ],
  [
    "an output that has no batch",
    (d) => edit(d, (t) => Object.assign(t.graph?.outputs ?? [], { 1: t.graph?.inputs?.[2] })),
    /^rnn: the output of its graph is not f32 \[B, …\]$/,
  ],
  [
    "lines for some of the nodes",
    (d) => edit(d, (t) => Object.assign(t.graph ?? {}, { sites: ["a.ts:1:1"] })),
    /sites: expected one for each node$/,
  ],
  ["traces by name", (d) => ({ ...d, traces: {} }), /^traces: expected a list$/],
  [
    "states that differ from size to size",
    (d) => ({ ...d, traces: [...(d.traces ?? []), wider(d)] }),
    /^traces\[1\]\.states: expected the states of the other trace with 3 units$/,
  ],
  ...(
    [
      ["a gain of text", { kind: "orthogonal", gain: "1" }, /initializer\.gain: expected a number$/],
      [
        "rows of rows",
        { kind: "rows", parts: [{ rows: 1, initializer: { kind: "rows", parts: [] } }] },
        /initializer\.parts\[0\]\.initializer: expected rows of other kinds$/,
      ],
    ] as const
  ).map(([title, initializer, fault]): (typeof damages)[number] => [
    title,
    (d) => edit(d, (t) => Object.assign(t.parameters?.[0] ?? {}, { initializer })),
    fault,
  ]),
  ["one size twice", (d) => ({ ...d, traces: [d.traces?.[0], d.traces?.[0]] }), /^traces: expected different names/],
];

/** The trace of the document for another width, with a state of another name. */
function wider(document: Json): unknown {
  const other = JSON.parse(encodeCell(traceCell(cells.rnn as CellDefinition, [{ units: 3, features: 4 }]))) as Json;
  const trace = other.traces?.[0] ?? document;
  Object.assign(trace.states?.[0] ?? {}, { name: "k" });
  return trace;
}

function edit(document: Json, change: (trace: Json) => unknown): Json {
  const copy = structuredClone(document);
  change(copy.traces?.[0] ?? copy);
  return copy;
}

test.each(damages)("refused in one line: %s", (_title, change, fault) => {
  const document = JSON.parse(encodeCell(traceCell(cells.rnn as CellDefinition, [{ units: 3, features: 2 }]))) as Json;
  expect(faultOf(JSON.stringify(change(document)))).toMatch(fault);
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("train/files/traced-cell.test.ts")).toBe(damages.length);
});

test("an endless loop is an error", () => {
  const busy = cell("busy", { state: ({ units }) => ({ h: [units] }) }, ({ x, h }) => {
    const outer = scanTensors(
      ([a]) => ({
        carries: scanTensors(([b]) => ({ carries: [tanh(b as Tensor<"f32">)], ys: [] }), [a as Tensor], [], {
          length: 1000,
        }).carries,
        ys: [],
      }),
      [h],
      [],
      { length: 1000 },
    );
    return { state: { h: outer.carries[0] as Tensor<"f32"> }, output: x };
  });
  const traced = traceCell(busy, [{ units: 2, features: 2 }]);
  const fault = "busy: its step loops 1000000 times; expected at most 100000, so that it ends";
  expect(faultOf(textWithGraphs({ version: 1, ...traced }, { sites: true }))).toBe(fault);
  expect(() => encodeCell(traced)).toThrow(fault);
});

test("values other than strings, and strings longer than any cell, are errors", () => {
  for (const text of [whatever<string>(undefined), " ".repeat(2 ** 24 + 1)])
    expect(faultOf(text)).toMatch(/^the cell: expected a text of at most \d+ characters$/);
});

test.each(["", "null", "[]", "{", '{"version":1,"name":"a","traces":[null]}'])("refused in one line: %j", (text) => {
  expect(faultOf(text)).toMatch(/expected/);
});

function faultOf(text: string): string {
  try {
    decodeCell(text);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.message).not.toContain("\n");
    return error.message;
  }
  return "nothing was refused";
}
