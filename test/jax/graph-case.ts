/** @file Cases of graphs: what the interpreter gives for a graph, to be compared with the printed module's results. */

import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { graphToJax, type JaxOptions } from "../../interchange/jax/print.ts";
import type { CaseArgument, JaxCase } from "./case.ts";

type Float = Tensor<"f32">;

/** The values of a graph's outputs. */
export function valueCase(name: string, graph: Graph, inputs: readonly NdArray[], options: JaxOptions = {}): JaxCase {
  return {
    name,
    source: graphToJax(graph, options),
    call: nameIn(graphToJax(graph, options)),
    args: argumentsFor(graph, inputs),
    expected: interpret(graph, inputs),
  };
}

/** The last function of a module is what it is for. */
export function nameIn(source: string): string {
  return at([...source.matchAll(/^def (\w+)\(/gm)].map((match) => match[1] ?? "").toReversed(), 0);
}

/** A value for each input, parameters as one tree in front. */
export function argumentsFor(graph: Graph, inputs: readonly NdArray[]): CaseArgument[] {
  const named = graph.inputs.map((id, i) => ({ name: inputName(graph, id), array: at(inputs, i) }));
  const tree = named.filter(({ name }) => name.startsWith("parameters/"));
  const others = named.filter((each) => !tree.includes(each)).map(({ array }) => array);
  const leaves = tree.map(({ name, array }) => ({ keys: name.split("/").slice(1), array }));
  return leaves.length === 0 ? others : [leaves, ...others];
}

/** A function of tensors with a scalar result first: its values, and its gradient in the inputs that `moves` names. */
export function gradientCase(
  name: string,
  avals: readonly NamedAval[],
  inputs: readonly NdArray[],
  moves: (aval: NamedAval) => boolean,
  lossOf: (tensors: readonly Tensor[]) => Float,
  options: JaxOptions & { readonly scale?: number } = {},
): JaxCase {
  const { scale, ...printing } = options;
  const moving = avals.map(moves);
  const loss = traceGraph("loss", avals, (tensors) => [lossOf(tensors)]);
  const gradient = traceGraph("gradient", avals, (tensors) => {
    const chosen = tensors.filter((_, i) => moving[i]) as Float[];
    const { value, grad } = valueAndGrad((moved: Float[]) => {
      const rest = [...moved];
      return lossOf(tensors.map((tensor, i) => (moving[i] ? (rest.shift() as Float) : tensor)));
    })(chosen);
    return [value, ...grad];
  });
  const [value, ...gradients] = interpret(gradient, inputs);
  const args = argumentsFor(loss, inputs);
  const isTree = (given: CaseArgument | undefined) => given !== undefined && !("data" in given);
  const others = avals.flatMap(({ name: input }, i) => (input.startsWith("parameters/") ? [] : [moving[i] === true]));
  const start = isTree(args[0]) ? 1 : 0;
  const of = [...(start === 1 ? [0] : []), ...others.flatMap((isMoving, i) => (isMoving ? [i + start] : []))];
  const named = avals.filter((_, i) => moving[i]).map((aval, i) => ({ ...aval, array: at(gradients, i) }));
  const source = graphToJax(loss, printing);
  return {
    name,
    source,
    call: nameIn(source),
    args,
    expected: value === undefined ? [] : [value],
    gradient: { of, expected: inTreeOrder(named) },
    ...(scale !== undefined && { scale }),
  };
}

/** JAX flattens trees with their keys in order. */
export function inTreeOrder(named: readonly { readonly name: string; readonly array: NdArray }[]): NdArray[] {
  const isParameter = ({ name }: { readonly name: string }) => name.startsWith("parameters/");
  const compare = (a: readonly string[], b: readonly string[]): number => {
    const i = a.findIndex((part, k) => part !== b[k]);
    return i < 0 ? -1 : (a[i] ?? "") < (b[i] ?? "") ? -1 : 1;
  };
  const tree = named
    .filter(isParameter)
    .toSorted((a, b) => compare(a.name.split("/").slice(1), b.name.split("/").slice(1)));
  return [...tree, ...named.filter((each) => !isParameter(each))].map(({ array }) => array);
}
