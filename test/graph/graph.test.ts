/** @file The graph as data: dimensions, interning, its printed form, JSON, and a verifier that lets nothing wrong pass. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gru } from "../../cells/index.ts";
import { textOfValue } from "../../compiler/graph/builder.ts";
import {
  addDims,
  bindShape,
  canonicalDim,
  ceilDim,
  divideDims,
  evaluateDim,
  isRoundedUp,
  mulDims,
  sizeOf,
  substituteSizes,
  symbolsOf,
} from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, type ScanAttrs } from "../../compiler/graph/graph.ts";
import { printGraph } from "../../compiler/graph/print.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { unroll } from "../../compiler/passes/unroll.ts";
import {
  add,
  constant,
  interpret,
  mean,
  model,
  mul,
  type NamedAval,
  type ParameterTensors,
  reshape,
  scan,
  scanTensors,
  sin,
  square,
  type Tensor,
  tanh,
  traceGraph,
  valueAndGrad,
} from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";

type Float = Tensor<"f32">;

test("plain data has one text, whatever it is made of", () => {
  const values = [
    ...[0, -0, "0", "", null, true, [0], [[0]], [0, 0], {}, { a: 0 }, { a: "0" }, { a: { b: 0 } }, { b: 0 }],
    ...[new Map(), new Map([[0, 1]]), new Map([[0, 2]]), new Map([[{ a: 0 }, 1]]), new Set([0]), new Set([1])],
  ];
  expect(new Set(values.map(textOfValue)).size).toBe(values.length);
  expect(textOfValue({ a: 0, b: undefined })).toBe(textOfValue({ a: 0 }));
});

describe("dimensions", () => {
  test("have one text each", () => {
    expect(mulDims("T", "B")).toBe("B*T");
    expect(mulDims("2*T", mulDims("B", 3))).toBe("6*B*T");
    expect(mulDims("B", 0)).toBe(0);
    expect(sizeOf(["T", 4, "B", "T"])).toBe("4*B*T*T");
    expect(sizeOf([])).toBe(1);
    expect(canonicalDim("T*B*2*3")).toBeUndefined();
    expect(canonicalDim("2*T*B")).toBe("2*B*T");
    expect(addDims(["T", 2, "B", "B*T", "2*T"])).toEqual(["B*T", "B", "3*T", 2]);
    expect(addDims([3, -3])).toEqual([]);
    for (const wrong of [-1, 1.5, "t", "B+1", "", "2*", "-2*B"]) expect(canonicalDim(wrong)).toBeUndefined();
  });

  test("are cut into pieces, rounded up", () => {
    expect(ceilDim(65, 64)).toBe(2);
    expect(ceilDim("128*B*T", 64)).toBe("2*B*T");
    expect(ceilDim("T", 64)).toBe("ceil(T/64)");
    expect(ceilDim(ceilDim("B*T", 64), 3)).toBe("ceil(B*T/192)");
    const pieces = mulDims("B", ceilDim("T", 64));
    expect(pieces).toBe("B*ceil(T/64)");
    expect(divideDims(mulDims(4, pieces), "ceil(T/64)")).toBe("4*B");
    expect(mulDims(ceilDim("B*T", 8), 3)).toBe("3*ceil(B*T/8)");
    expect([0, 1, 64, 65].map((T) => evaluateDim(pieces, { B: 3, T }))).toEqual([0, 3, 3, 6]);
    expect(symbolsOf(mulDims(pieces, ceilDim("A*T", 2)))).toEqual(["B", "A", "T"]);
    expect(substituteSizes(pieces, { T: 65 })).toBe("2*B");
    expect(substituteSizes(ceilDim("B*T", 64), { B: 64 })).toBe("T");
    expect(isRoundedUp("64*ceil(T/64)", "T")).toBe(true);
    for (const other of ["32*ceil(T/64)", "64*ceil(B/64)", "64*B*ceil(T/64)", "T", 64])
      expect(isRoundedUp(other, "T"), `${other}`).toBe(false);
    expect(canonicalDim("ceil(T/64)*B")).toBe("B*ceil(T/64)");
    for (const wrong of ["ceil(T/0)", "ceil(T)", "ceil(64*T/64)", "ceil(t/2)", "ceil(T/2", "floor(T/2)"])
      expect(canonicalDim(wrong), wrong).toBeUndefined();
  });

  test("divide where no rest is left for any size", () => {
    expect(divideDims("6*B*T", "2*T")).toBe("3*B");
    expect(divideDims(12, 4)).toBe(3);
    expect(divideDims("6*B", 4)).toBeUndefined();
    expect(divideDims("B", "T")).toBeUndefined();
    expect(divideDims("B", 0)).toBeUndefined();
  });

  test("get their sizes from arrays, and say what disagrees", () => {
    const sizes: Record<string, number> = {};
    expect(bindShape(["T", "B", 3], [5, 2, 3], sizes)).toBeUndefined();
    expect(sizes).toEqual({ T: 5, B: 2 });
    expect(bindShape(["2*B", "T"], [4, 5], sizes)).toBeUndefined();
    expect(bindShape(["B"], [3], sizes)).toBe("axis 0 is B=2 elsewhere, got 3 in [3]");
    expect(bindShape(["2*B"], [3], sizes)).toBe("axis 0 must be 2*B, got 3 in [3]");
    expect(bindShape([1, 2], [1], sizes)).toBe("expected 2 axes [1, 2], got 1 [1]");
    expect(evaluateDim("3*B*T", sizes)).toBe(30);
  });
});

describe("a graph", () => {
  const example = (): Graph =>
    traceGraph(
      "example",
      [
        { name: "w", dtype: "f32", shape: [2] },
        { name: "xs", dtype: "f32", shape: ["T", "B", 2] },
        { name: "h", dtype: "f32", shape: ["B", 2] },
      ],
      ([w, xs, h]) => {
        const { carries, ys } = scanTensors(
          ([state], [x]) => {
            const next = tanh(add(mul(state as Float, w as Float), x as Float));
            return { carries: [next], ys: [square(next)] };
          },
          [h as Float],
          [xs as Float],
          { reverse: true },
        );
        return [at(carries, 0), mean(reshape(ys[0] as Float, ["2*B*T"]))];
      },
    );

  test("is written once for equal nodes", () => {
    const graph = traceGraph("twice", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => [
      add(sin(mul(x as Float, 2)), sin(mul(x as Float, 2))),
    ]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(["input", "constant", "broadcast", "mul", "sin", "add"]);
    expect(at(graph.nodes, 5).operands).toEqual([4, 4]);
    expect(() => (graph.nodes as unknown[]).push(1)).toThrow();
  });

  test("tells apart what is nearly equal", () => {
    const numbers = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const decay = (by: number) =>
      scanTensors(([h]) => ({ carries: [mul(h as Float, by)], ys: [] }), [constant(1)], [], { length: 3 });
    const graph = traceGraph("alike", [], () => [
      ...[...numbers, ...numbers].map((value) => constant(value)),
      ...[0.5, 0.25, 0.5].flatMap((by) => decay(by).carries),
    ]);
    expect(graph.nodes.filter(({ op }) => op === "constant")).toHaveLength(numbers.length + 1);
    expect(graph.nodes.filter(({ op }) => op === "scan")).toHaveLength(2);
  });

  test("prints with stable names", () => {
    expect(printGraph(example())).toMatchInlineSnapshot(`
      "graph example(w: f32[2], xs: f32[T,B,2], h: f32[B,2]) {
        %3 = scan(w, h, xs) {consts=1, carries=1, length=T, reverse}: f32[B,2]
          graph step(const0: f32[2], carry0: f32[B,2], x0: f32[B,2]) {
            %3 = broadcast(const0) {axes=[1]}: f32[B,2]
            %4 = mul(carry0, %3): f32[B,2]
            %5 = add(%4, x0): f32[B,2]
            %6 = tanh(%5): f32[B,2]
            %7 = mul(%6, %6): f32[B,2]
            return %6, %7
          }
        %4 = result(%3) {index=0}: f32[B,2]
        %5 = result(%3) {index=1}: f32[T,B,2]
        %6 = reshape(%5): f32[2*B*T]
        %7 = sum(%6) {axes=[0]}: f32[]
        %8 = dimSize() {dim=2*B*T}: f32[]
        %9 = div(%7, %8): f32[]
        return %4, %9
      }"
    `);
    expect(printGraph(example())).toBe(printGraph(example()));
    expect(printGraph(example(), { sites: true })).toMatch(/tanh.*\/\/ test\/graph\/graph\.test\.ts:\d+:\d+/);
  });

  test("without symbols and scans prints so too", () => {
    expect(printGraph(unroll(specialize(example(), { T: 2, B: 1 })))).toMatchInlineSnapshot(`
      "graph example(w: f32[2], xs: f32[2,1,2], h: f32[1,2]) {
        %3 = slice(xs) {axis=0, start=1, size=1}: f32[1,1,2]
        %4 = reshape(%3): f32[1,2]
        %5 = broadcast(w) {axes=[1]}: f32[1,2]
        %6 = mul(h, %5): f32[1,2]
        %7 = add(%6, %4): f32[1,2]
        %8 = tanh(%7): f32[1,2]
        %9 = mul(%8, %8): f32[1,2]
        %10 = slice(xs) {axis=0, start=0, size=1}: f32[1,1,2]
        %11 = reshape(%10): f32[1,2]
        %12 = mul(%8, %5): f32[1,2]
        %13 = add(%12, %11): f32[1,2]
        %14 = tanh(%13): f32[1,2]
        %15 = mul(%14, %14): f32[1,2]
        %16 = reshape(%15): f32[1,1,2]
        %17 = reshape(%9): f32[1,1,2]
        %18 = concat(%16, %17) {axis=0}: f32[2,1,2]
        %19 = reshape(%18): f32[4]
        %20 = sum(%19) {axes=[0]}: f32[]
        %21 = constant() {value=4}: f32[]
        %22 = div(%20, %21): f32[]
        return %14, %22
      }"
    `);
  });

  test("keeps the symbols that specialize is not given", () => {
    const graph = verify(specialize(example(), { T: 3 }));
    const dims = JSON.stringify(graph);
    expect(dims).toContain('"6*B"');
    expect(dims).not.toContain("T");
    expect(verify(unroll(graph)).nodes.some(({ op }) => op === "scan")).toBe(false);
    expect(verify(unroll(example())).nodes.some(({ op }) => op === "scan")).toBe(true);
  });

  test("of no steps gives its start and no rows", () => {
    const graph = verify(unroll(specialize(example(), { T: 0, B: 1 })));
    const [last] = interpret(graph, [
      randomFloats(generator(1), [2]),
      randomFloats(generator(1), [0, 1, 2]),
      { dtype: "f32", shape: [1, 2], data: Float64Array.of(3, 4) },
    ]);
    expect([...(last?.data ?? [])]).toEqual([3, 4]);
  });
});

/** A training graph with nearly everything that a graph can have: scans both ways, symbols, parameters. */
function trainingGraph(): Graph {
  const network = model("network", (x: Float) => scan(gru(3), x).outputs);
  const x: NamedAval = { name: "x", dtype: "f32", shape: ["T", "B", 2] };
  const specs = network.specs(x);
  const avals = [...specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape })), x];
  return traceGraph("training", avals, (tensors) => {
    const parameters = Object.fromEntries(specs.map(({ path }, i) => [path, at(tensors, i) as Float]));
    const loss = (p: ParameterTensors) => mean(square(network.apply(p, at(tensors, specs.length) as Float)));
    const { value, grad } = valueAndGrad(loss)(parameters);
    return [value, ...specs.map(({ path }) => grad[path] as Float)];
  });
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const toJson = (graph: Graph): Json => JSON.parse(JSON.stringify(graph)) as Json;
const fromJson = (json: Json): Graph => json as unknown as Graph;

/** Every place in a document, as the path of keys to it. */
function placesOf(json: Json, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  const children = typeof json === "object" && json !== null ? Object.entries(json) : [];
  return [path, ...children.flatMap(([key, child]) => placesOf(child, [...path, key]))];
}

/** The document with another value at a place; undefined removes it. */
function replaced(json: Json, path: readonly (string | number)[], value: Json | undefined): Json {
  const [key, ...rest] = path;
  if (key === undefined) return value ?? null;
  const copy = (Array.isArray(json) ? [...json] : { ...(json as object) }) as { [key: string]: Json };
  const child = rest.length === 0 ? value : replaced(copy[key] ?? null, rest, value);
  if (child === undefined && Array.isArray(copy)) copy.splice(Number(key), 1);
  else if (child === undefined) delete copy[key];
  else copy[key] = child;
  return copy;
}

describe("JSON", () => {
  test("keeps a graph as it is", () => {
    const graph = trainingGraph();
    const copy = fromJson(toJson(graph));
    verify(copy);
    expect(printGraph(copy)).toBe(printGraph(graph));
    const random = generator(3);
    const inputs = graph.inputs.map((id) =>
      randomFloats(
        random,
        at(graph.nodes, id).aval.shape.map((dim) => (dim === "T" ? 3 : dim === "B" ? 2 : Number(dim))),
      ),
    );
    expect(interpret(copy, inputs)).toEqual(interpret(graph, inputs));
  });

  const json = toJson(trainingGraph());
  const graph = fromJson(json);
  const find = (op: string) => graph.nodes.findIndex((node) => node.op === op);
  const node = (op: string, ...path: (string | number)[]) => ["nodes", find(op), ...path];
  const { length } = graph.nodes;
  const { consts: scanConsts, body: step } = at(graph.nodes, find("scan")).attrs as ScanAttrs;
  const joined = step.nodes.findIndex(({ op }) => op === "concat");

  test.each<[string, readonly (string | number)[], Json | undefined]>([
    ["an operand that comes later", node("div", "operands", 0), length - 1],
    ["an operand that does not exist", node("div", "operands", 0), length + 7],
    ["a negative operand", node("div", "operands", 1), -1],
    ["an operand that is no whole number", node("div", "operands", 1), 0.5],
    ["too few operands", node("div", "operands"), [0]],
    ["too many operands", node("sum", "operands"), [0, 1]],
    ["an op that does not exist", node("sum", "op"), "summe"],
    ["an op named like a method of objects", node("sum", "op"), "toString"],
    ["another shape", node("scan", "aval", "shape"), [7]],
    ["another dtype", node("sum", "aval", "dtype"), "i32"],
    ["a dtype that does not exist", ["nodes", 0, "aval", "dtype"], "f16"],
    ["an input's aval that differs from its node's", ["nodes", 0, "attrs", "aval", "shape", 0], 9],
    ["a dimension that is negative", ["nodes", 0, "aval", "shape", 0], -3],
    ["a dimension that is not canonical", ["nodes", graph.inputs.at(-1) ?? 0, "aval", "shape", 0], "B*2"],
    ["attributes that are missing", node("sum", "attrs"), undefined],
    ["axes that do not exist", node("sum", "attrs", "axes"), [9]],
    ["axes that are no list", node("sum", "attrs", "axes"), "0"],
    ["a scan of another length", node("scan", "attrs", "length"), 4],
    ["a scan with another number of consts", node("scan", "attrs", "consts"), 0],
    ["a scan with another number of carries", node("scan", "attrs", "carries"), 0],
    ["a scan with more consts than operands", node("scan", "attrs", "consts"), 99],
    ["a concatenation of nothing", node("scan", "attrs", "body", "nodes", joined, "operands"), []],
    ["a scan with more carries than it has outputs", node("scan", "attrs", "carries"), 99],
    ["a scan without a direction", node("scan", "attrs", "reverse"), undefined],
    ["a scan that starts from another carry", node("scan", "operands", scanConsts), 0],
    ["a scan with another weight", node("scan", "operands", 0), graph.inputs.at(-1) ?? 0],
    ["a scan whose step gives another carry", node("scan", "attrs", "body", "outputs", 0), 0],
    ["a scan that reads other rows", node("scan", "operands", scanConsts + 1), 0],
    ["a scan whose body has another input", node("scan", "attrs", "body", "nodes", 0, "aval", "shape"), [5]],
    ["a scan whose body ends early", node("scan", "attrs", "body", "outputs"), []],
    ["a fault in a scan's body", node("scan", "attrs", "body", "nodes", 9, "aval", "shape"), [1, 2, 3, 4]],
    ["a result that does not exist", node("result", "attrs", "index"), 99],
    ["a result of something else", node("result", "operands", 0), 0],
    ["a scan that is read as a value", node("div", "operands", 0), find("scan")],
    ["an input that is not listed", ["inputs"], graph.inputs.slice(1)],
    ["an input listed twice", ["inputs"], [...graph.inputs, graph.inputs[0] ?? 0]],
    ["an input that is none", ["inputs"], [...graph.inputs, length - 1]],
    ["two inputs of one name", ["nodes", 1, "attrs", "name"], inputName(graph, 0)],
    ["an output that does not exist", ["outputs", 0], length],
    ["no outputs list", ["outputs"], undefined],
    ["no nodes list", ["nodes"], undefined],
    ["a node that is null", ["nodes", 3], null],
    ["no name", ["name"], undefined],
  ])("with %s is rejected", (_, path, value) => {
    expect(() => verify(fromJson(replaced(json, path, value)))).toThrow(UserError);
  });

  test("with a carry that leaves the step as something else is rejected, even where its result says so too", () => {
    const [scanAt, resultAt] = [find("scan"), find("result")];
    const { body } = at(graph.nodes, scanAt).attrs as ScanAttrs;
    const { aval } = at(body.nodes, 0);
    const changes: [readonly (string | number)[], Json][] = [
      [["nodes", scanAt, "attrs", "body", "outputs", 0], 0],
      [["nodes", scanAt, "aval"], aval as unknown as Json],
      [["nodes", resultAt, "aval"], aval as unknown as Json],
    ];
    const corrupted = changes.reduce((document, [path, value]) => replaced(document, path, value), json);
    expect(() => verify(fromJson(corrupted))).toThrow(/next carry 0 is .*, expected/);
  });

  describe("of a loop whose results are only states, where no shape tells:", () => {
    const loop = traceGraph("loop", [{ name: "x", dtype: "f32", shape: [4, 2] }], ([x]) => {
      const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => ({
        carries: [add(h as Float, row as Float)],
        ys: [],
      });
      return [sin(at(scanTensors(step, [reshape(mean(x as Float, 0), [2])], [x as Float]).carries, 0) as Float)];
    });
    const placeOf = (op: string) => loop.nodes.findIndex((each) => each.op === op);
    const [scanAt, sinAt] = [placeOf("scan"), placeOf("sin")];
    const operands = [...at(loop.nodes, scanAt).operands];

    test.each<[string, readonly (string | number)[], Json, RegExp]>([
      ["a value that reads the scan itself", ["nodes", sinAt, "operands"], [scanAt], /only a result reads a scan/],
      [
        "another length than its xs have",
        ["nodes", scanAt, "attrs", "length"],
        5,
        /x 0 is f32\[4, ?2\], expected f32\[5, ?2\]/,
      ],
      ["an operand left over", ["nodes", scanAt, "operands"], [...operands, 0], /3 operands for 2 inputs/],
    ])("%s is rejected", (_, path, value, fault) => {
      expect(() => verify(fromJson(replaced(toJson(loop), path, value)))).toThrow(fault);
    });
  });

  test("with any one place replaced is either valid or rejected in words", () => {
    const places = placesOf(json);
    const strange = fc.constantFrom<Json | undefined>(
      undefined,
      null,
      true,
      -1,
      0.5,
      3,
      1e9,
      "B",
      "x",
      "toString",
      [],
      [0],
      {},
      { op: "sum" },
    );
    fc.assert(
      fc.property(fc.nat({ max: places.length - 1 }), strange, (place, value) => {
        const corrupted = fromJson(replaced(json, at(places, place), value));
        try {
          verify(corrupted);
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          expect(error.message).not.toContain("undefined");
          expect(error.message).not.toMatch(/Cannot read|is not a function|is not iterable|internal:/);
        }
      }),
      { seed: 4, numRuns: 2000 },
    );
  });
});
