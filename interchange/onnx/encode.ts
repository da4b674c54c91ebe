/**
 * @file `encodeOnnx`: converts a graph of the IR to an ONNX model, op by op, independent of cells and networks: a loop over
 * time is a `Scan` whose body is a graph, and symbols such as B and T stay free dimensions.
 *
 * Opset 18, IR version 8: those of ONNX 1.13 (2022), which ONNX Runtime reads from 1.14 on.
 */
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, type NodeId, nodeAt } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { withoutCustomGradients } from "../../compiler/passes/custom-gradients.ts";
import { encodeModelProto } from "./schema.ts";
import { type NameOfPart, translate } from "./translate.ts";
import { knownValue, tensorValue, type Value } from "./values.ts";
import { OnnxWriter, valueInfo } from "./writer.ts";

const opset = 18;
const irVersion = 8;

/** Options of `encodeOnnx`. */
export interface OnnxOptions {
  /** Names of the outputs, in order; inputs keep the names in the graph. */
  readonly outputs: readonly string[];
  /** Inputs whose values are stored in the model. */
  readonly constants?: Readonly<Record<string, NdArray>>;
  /** Names a slice of a constant: (constant, first element, number of elements) -> name. */
  readonly nameOfPart?: NameOfPart;
  /** Description of the model. */
  readonly about?: string;
  /** Strings by name, stored in the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Returns the bytes of an .onnx file that computes the graph. */
export function encodeOnnx(traced: Graph, options: OnnxOptions): Uint8Array {
  const {
    outputs,
    constants = {},
    nameOfPart = () => undefined,
    about = "",
    metadata = {},
  } = checkedOptions("encodeOnnx", options, {
    outputs: "list",
    constants: "object",
    nameOfPart: "function",
    about: "string",
    metadata: "object",
  });
  // Removes nodes that only a gradient reads.
  const graph = withoutCustomGradients(traced);
  if (outputs.length !== graph.outputs.length)
    throw new UserError(`got ${outputs.length} names for the ${graph.outputs.length} outputs of ${graph.name}`);
  const writer = new OnnxWriter();
  const named = graph.inputs.map((id) => ({ id, name: inputName(graph, id), aval: nodeAt(graph, id).aval }));
  const given = named.filter(({ name }) => !Object.hasOwn(constants, name));
  // Reserves the names that callers rely on first.
  const inputs = given.map(({ name, aval }) => writer.input(name, aval));
  const results = outputs.map((name) => writer.name(name));
  const clash = outputs.find((name, i) => name !== results[i]);
  if (clash !== undefined) throw new UserError(`two inputs or outputs of the model have the name ${clash}; rename one`);
  const bound = new Map<NodeId, Value>(given.map(({ id, name }) => [id, tensorValue(name)]));
  for (const { id, name } of named) {
    const array = Object.hasOwn(constants, name) ? constants[name] : undefined;
    if (array !== undefined) bound.set(id, knownValue(writer, array, name));
  }
  translate(graph, bound, writer, results, nameOfPart);
  const outputInfo = results.map((name, i) => valueInfo(name, nodeAt(graph, at(graph.outputs, i)).aval));
  return encodeModelProto({
    irVersion: BigInt(irVersion),
    producerName: "cellgrad",
    docString: about,
    opsetImport: [{ domain: "", version: BigInt(opset) }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: writer.graph(graph.name, inputs, outputInfo),
  });
}
