/**
 * @file A function with its own gradient as `jax.custom_vjp`. Its equations are written like any others; what is decorated
 * is a function that returns their results as they are, and whose backward pass is the given vjp.
 */
import { at } from "../../compiler/graph/errors.ts";
import { inputName, type Node, type NodeId, nodeAt } from "../../compiler/graph/graph.ts";
import { customOperands } from "../../compiler/ops/custom-gradient.ts";
import { Block, FunctionWriter, named, type Structures } from "./block.ts";
import { call, code, docstring, readsName, several, statement, tuple } from "./python.ts";
import { packed, returned } from "./step.ts";
import { exact, type Value } from "./values.ts";

export function writeCustomGradient(
  block: Block,
  node: Extract<Node, { readonly op: "customGradient" }>,
  id: NodeId,
  structures: Structures,
): readonly Value[] {
  const { writer } = block;
  const { vjp, wanted } = node.attrs;
  const { results, args, capturedByVjp } = customOperands(node.attrs, node.operands);
  const name = writer.names.fresh("with_gradient");
  const inner = new FunctionWriter(writer.module, writer.names.inner(), writer.indent + 4, writer);
  const kept = [...capturedByVjp, ...args];
  const resultNames = results.map(() => inner.names.fresh("y"));
  const fromVjp = (i: number) => (i < capturedByVjp.length ? i : i + results.length);
  const keptNames = kept.map((_, i) => inner.names.fresh(wordOf(inputName(vjp, at(vjp.inputs, fromVjp(i))))));
  const all = [...resultNames, ...keptNames];
  const margin = " ".repeat(writer.indent);

  const codesOf = (texts: readonly string[]) => texts.map((text) => code(text));
  const whole = packed(codesOf(resultNames));
  const about = "The results as they are; the gradient is that of the backward pass below.";
  writer.nested([
    `${margin}@jax.custom_vjp`,
    ...statement(`def ${name}`, call("", ...all), writer.indent, ":"),
    ...docstring(about, writer.indent + 4),
    `${margin}    return ${whole.text}`,
  ]);
  writer.nested([
    ...statement(`def ${name}_forward`, call("", ...all), writer.indent, ":"),
    ...statement("return ", several([whole, tuple(codesOf(keptNames))]), writer.indent + 4),
  ]);

  const cts = results.map((_, i) => inner.names.fresh(results.length === 1 ? "ct" : `ct_${i}`));
  const bound = new Map<NodeId, Value>();
  for (const [i, input] of vjp.inputs.entries()) {
    const isCt = i >= capturedByVjp.length && i < capturedByVjp.length + results.length;
    const k = i < capturedByVjp.length ? i : i - results.length;
    const text = isCt ? at(cts, i - capturedByVjp.length) : at(keptNames, k);
    bound.set(input, named(nodeAt(vjp, input).aval, text));
  }
  const backward = new Block({ writer: inner, structures, graph: vjp, bound });
  backward.write();
  const cotangents = vjp.outputs.map((output) => returned(backward, output).text);
  const ofArguments = args.map((_, i) => {
    const place = wanted.indexOf(i);
    return place < 0 ? "None" : at(cotangents, place);
  });
  const returns = [...results.map(() => "None"), ...capturedByVjp.map(() => "None"), ...ofArguments];
  const read = [...inner.body(), returns.join(", ")];
  const orNone = (name: string) => (readsName(read, name) ? name : "_");
  const used = keptNames.map(orNone);
  const [ct = ""] = cts;
  const isOne = cts.length === 1;
  writer.nested([
    `${margin}def ${name}_backward(saved, ${isOne ? ct : "cts"}):`,
    ...(used.every((each) => each === "_")
      ? []
      : statement(`${used.length === 1 ? `(${used[0]},)` : used.join(", ")} = `, code("saved"), writer.indent + 4)),
    ...(isOne || cts.every((each) => orNone(each) === "_") ? [] : [`${margin}    ${cts.map(orNone).join(", ")} = cts`]),
    ...inner.body(),
    ...statement(
      "return ",
      returns.length === 1 ? tuple(codesOf(returns)) : several(codesOf(returns)),
      writer.indent + 4,
    ),
  ]);
  writer.nested([`${margin}${name}.defvjp(${name}_forward, ${name}_backward)`]);

  const fixed = results.map((result) => call("lax.stop_gradient", exact(block.value(result), writer)));
  const given = kept.map((operand) => exact(block.value(operand), writer));
  const targets = results.map(() => writer.names.fresh("result"));
  block.comment(id);
  writer.assign(targets.join(", "), call(name, ...fixed, ...given));
  return results.map((result, i) => named(nodeAt(block.graph, result).aval, at(targets, i)));
}

/** A name for an argument, from its path among the arguments. */
function wordOf(path: string): string {
  return /^\d/.test(path) ? `x_${path}` : path;
}
