/**
 * @file Translates the nodes of a graph of the IR, in order, to ONNX nodes. A scan is a `Scan`: carries are its state
 * variables, xs and ys its scan inputs and outputs, and its consts are read from the outer graph by name.
 */
import { at } from "../../compiler/graph/errors.ts";
import { Fold, type OpNode } from "../../compiler/graph/fold.ts";
import { ancestorsOf, type Graph, type NodeId, nodeAt, type ScanNode } from "../../compiler/graph/graph.ts";
import { evaluateNode } from "../../compiler/ops/interpret.ts";
import { bodyInputs } from "../../compiler/ops/scan.ts";
import { ruleOf } from "./rules.ts";
import { knownValue, tensorValue, type Value } from "./values.ts";
import { OnnxWriter, valueInfo } from "./writer.ts";

/** Names a slice of a constant: (name of the constant, first element, number of elements) -> name. */
export type NameOfPart = (whole: string, start: number, size: number) => string | undefined;

/** Writes the nodes that the outputs of `graph` need, with its inputs `bound`, and names the outputs `results`. */
export function translate(
  graph: Graph,
  bound: ReadonlyMap<NodeId, Value>,
  writer: OnnxWriter,
  results: readonly string[],
  nameOfPart: NameOfPart,
): void {
  const rules = {
    node: (node: OpNode, operands: readonly Value[]) => writeNode(graph, node, operands, writer, nameOfPart),
    scan: (node: ScanNode, operands: readonly Value[]) => writeScan(node, operands, writer, nameOfPart),
  };
  const written = new Fold(graph, rules, bound);
  const needed = ancestorsOf(graph);
  for (const id of graph.nodes.keys()) if (needed.has(id)) written.compute(id);
  for (const [i, value] of written.outputs().entries()) writer.copy(value.full(), at(results, i));
}

function writeNode(
  graph: Graph,
  node: OpNode,
  operands: readonly Value[],
  writer: OnnxWriter,
  nameOfPart: NameOfPart,
): Value {
  const known = operands.map((operand) => operand.known);
  // Broadcasts of constants are not evaluated, since the model would store their numbers many times.
  if (known.length > 0 && known.every((one) => one !== undefined) && node.op !== "broadcast") {
    const array = evaluateNode(
      node,
      known.map((one) => one.array),
      {},
    );
    return knownValue(writer, array, nameOfKnown(node, at(known, 0).name, nameOfPart));
  }
  return ruleOf(node.op)({
    writer,
    operands,
    from: node.operands.map((id) => nodeAt(graph, id).aval),
    attrs: node.attrs as never,
    aval: node.aval,
  });
}

/** Slices of weights are named by `nameOfPart`, and reshaped weights keep their name. */
function nameOfKnown(node: OpNode, whole: string, nameOfPart: NameOfPart): string {
  if (node.op === "reshape") return whole;
  if (node.op !== "slice" || typeof node.attrs.size === "string") return node.op;
  const { start, size } = node.attrs;
  return nameOfPart(whole, start, size) ?? `${whole}[${start}:${start + size}]`;
}

function writeScan(
  node: ScanNode,
  operands: readonly Value[],
  writer: OnnxWriter,
  nameOfPart: NameOfPart,
): readonly Value[] {
  const { attrs } = node;
  const { body } = attrs;
  const places = bodyInputs(attrs);
  const inner = new OnnxWriter(writer);
  const bound = new Map(places.consts.map((id, i) => [id, at(operands, i)]));
  const given = [...places.carries, ...places.xs].map((id) => {
    const name = inner.name(places.xs.includes(id) ? "x" : "carry");
    bound.set(id, tensorValue(name));
    return valueInfo(name, nodeAt(body, id).aval);
  });
  const outside = operands.slice(attrs.consts).map((operand) => operand.full());
  if (places.xs.length === 0) {
    // ONNX derives the number of steps from the scan inputs.
    outside.push(writer.counter(attrs.length));
    given.push(valueInfo(inner.name("step"), { dtype: "i32", shape: [] }));
  }
  const names = body.outputs.map((_, i) => inner.name(i < attrs.carries ? "next" : "y"));
  translate(body, bound, inner, names, nameOfPart);
  const direction = Number(attrs.reverse);
  const made = names.map((name, i) => valueInfo(name, nodeAt(body, at(body.outputs, i)).aval));
  const walked = Math.max(1, places.xs.length);
  const attributes = {
    body: inner.graph(body.name, given, made),
    num_scan_inputs: walked,
    scan_input_directions: new Array<number>(walked).fill(direction),
    scan_output_directions: new Array<number>(names.length - attrs.carries).fill(direction),
  };
  return writer.results("Scan", outside, attributes, [...names]).map(tensorValue);
}
