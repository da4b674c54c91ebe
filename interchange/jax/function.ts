/** @file A graph as a function of a Python module, with arguments that are arrays or trees of arrays. */
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, type NodeId, nodeAt } from "../../compiler/graph/graph.ts";
import { Block, FunctionWriter, named, type Structures } from "./block.ts";
import { writeCustomGradient } from "./custom-gradient.ts";
import { describeAval, parameterText } from "./describe.ts";
import { writeLoop } from "./loop.ts";
import type { ModuleWriter } from "./module.ts";
import type { Names } from "./names.ts";
import { call, code, dictionary, docstring, lineWidth, several, statement } from "./python.ts";
import { returned, symbolsIn } from "./step.ts";
import type { Value } from "./values.ts";

export const structures: Structures = {
  loop: (block, node, id) => writeLoop(block, node, id, structures),
  customGradient: (block, node, id) => writeCustomGradient(block, node, id, structures),
};

/** An argument of a printed function: one input of the graph, or a tree of several. */
export interface Argument {
  readonly name: string;
  /** The inputs with their keys in the tree; a single one with no key is the argument itself. */
  readonly inputs: readonly { readonly id: NodeId; readonly keys: readonly string[] }[];
  /** Whether it is a tree of parameters, whose loops become functions of the module. */
  readonly isParameters?: boolean;
  /** Its sentence in the docstring; by default its dtype and shape. */
  readonly about?: string;
}

/** A returned value: an output of the graph, or a dict of outputs. */
export type Returned =
  | { readonly output: number; readonly name: string }
  | { readonly entries: readonly { readonly key: string; readonly output: number }[]; readonly name: string };

export interface PrintedFunction {
  readonly name: string;
  readonly graph: Graph;
  readonly arguments: readonly Argument[];
  readonly returns: readonly Returned[];
  /** The first line of the docstring. */
  readonly about: string;
}

/** Adds the function to the module. */
export function addFunction(module: ModuleWriter, printed: PrintedFunction): string {
  const { graph } = printed;
  const name = module.names.fresh(printed.name);
  const names = module.names.inner();
  for (const symbol of symbolsIn(graph)) names.take(symbol);
  const writer = new FunctionWriter(module, names, 4);
  const bound = new Map<NodeId, Value>();
  const args = printed.arguments.map((argument) => ({ ...argument, name: names.fresh(argument.name) }));
  const inputs = args.flatMap(({ name, inputs, isParameters }) => {
    const subtrees = isParameters ? namedSubtrees(inputs, name, names) : [];
    for (const { local, text } of subtrees) writer.local(local, text);
    return inputs.map(({ id, keys }) => {
      const subtree = subtrees.find(
        ({ path }) => path.length < keys.length && path.every((part, i) => part === keys[i]),
      );
      const text =
        subtree === undefined
          ? parameterText(name, keys)
          : parameterText(subtree.local, keys.slice(subtree.path.length));
      return { id, text, keys, isParameters };
    });
  });
  for (const { id, text, keys, isParameters } of inputs) {
    const value = named(nodeAt(graph, id).aval, text);
    bound.set(id, isParameters ? { ...value, path: keys } : value);
  }
  const avalOf = ({ id }: { readonly id: NodeId }) => nodeAt(graph, id).aval;
  const isFloat = (input: { readonly id: NodeId }) => avalOf(input).dtype === "f32";
  const float = inputs.find((input) => input.isParameters && isFloat(input)) ?? inputs.find(isFloat);
  writer.know({
    // Arrays of their own before entries of trees.
    shapes: [...inputs]
      .sort((a, b) => Math.min(1, a.keys.length) - Math.min(1, b.keys.length))
      .map((input) => ({ text: input.text, shape: avalOf(input).shape })),
    float: float?.text,
  });
  const wanted = new Map<NodeId, string>();
  for (const each of printed.returns) {
    if ("output" in each) wanted.set(at(graph.outputs, each.output), each.name);
    else
      for (const { key, output } of each.entries)
        wanted.set(at(graph.outputs, output), `next_${key.split("/").at(-1)}`);
  }
  const block = new Block({ writer, structures, graph, bound, wanted });
  block.write();
  // A single result needs no name if it fits the line.
  const longest = printed.returns.length === 1 ? lineWidth - writer.indent - "return ".length : undefined;
  const returns = printed.returns.map((each) => {
    if ("output" in each) return returned(block, at(graph.outputs, each.output), longest);
    const entries = each.entries.map(
      ({ key, output }) => [key, returned(block, at(graph.outputs, output)).text] as const,
    );
    const whole = dictionary(entries);
    if (whole.text.length <= 40) return whole;
    const local = names.fresh(each.name);
    writer.assign(local, whole);
    return code(local);
  });
  writer.lines.push(...statement("return ", several(returns), writer.indent));
  const signature = args.map(({ name, inputs: [first, ...others], isParameters }) => {
    if (isParameters) {
      return `${name}: Params`;
    }
    const isArray = first !== undefined && others.length === 0 && first.keys.length === 0;
    return `${name}: ${isArray ? "Array" : "dict[str, Array]"}`;
  });
  const types = printed.returns.map((each) => ("output" in each ? "Array" : "dict[str, Array]"));
  const result = types.length === 1 ? at(types, 0) : `tuple[${types.join(", ")}]`;
  const described = args.flatMap(({ name, inputs, isParameters, about }) => {
    if (about !== undefined) return [`${name}: ${about}`];
    const [first] = inputs;
    if (isParameters || first === undefined || first.keys.length > 0) return [];
    return [`${name}: ${describeAval(avalOf(first))}`];
  });
  module.add([
    ...statement(`def ${name}`, call("", ...signature), 0, ` -> ${result}:`),
    ...docstring([printed.about, ...(described.length > 0 ? ["", ...described] : [])].join("\n"), 4),
    ...writer.body(true),
  ]);
  return name;
}

/** Subtrees of parameters far below the root, such as those of a cell in a layer, by a name of their own. */
function namedSubtrees(inputs: Argument["inputs"], root: string, names: Names) {
  const deep = inputs.map(({ keys }) => keys.slice(0, -2)).filter((path) => path.length >= 2);
  const paths = [...new Map(deep.map((path) => [path.join("/"), path])).values()];
  return paths.map((path) => {
    const word = path.findLast((part) => !/^\d+$/.test(part)) ?? "layer";
    return { path, local: names.fresh(`${word}_weights`), text: parameterText(root, path) };
  });
}

/** The arguments of a graph as they are: each input by its name, and those below `parameters/` as one tree. */
export function argumentsOf(graph: Graph): Argument[] {
  const named = graph.inputs.map((id) => ({ id, name: inputName(graph, id) }));
  const isParameter = ({ name }: { readonly name: string }) => name.startsWith("parameters/");
  const tree = named.filter(isParameter);
  const clash = tree.find(({ name }) => tree.some((other) => other.name.startsWith(`${name}/`)));
  if (clash !== undefined)
    throw new UserError(`parameter ${clash.name} is an array and also holds others; rename it to print a tree`);
  const params: Argument[] =
    tree.length === 0
      ? []
      : [
          {
            name: "params",
            isParameters: true,
            inputs: tree.map(({ id, name }) => ({ id, keys: name.split("/").slice(1) })),
          },
        ];
  return [
    ...params,
    ...named.filter((each) => !isParameter(each)).map(({ id, name }) => ({ name, inputs: [{ id, keys: [] }] })),
  ];
}
