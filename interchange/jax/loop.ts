/**
 * @file A loop as `lax.scan`. The body is a function within the one that runs the loop, and reads weights and other consts
 * as Python closures do; or, if it reads nothing but parameters, a function of the module, which equal loops share.
 */
import { at } from "../../compiler/graph/errors.ts";
import { inputName, type NodeId, nodeAt, type ScanNode } from "../../compiler/graph/graph.ts";
import { bodyInputs } from "../../compiler/ops/scan.ts";
import { type Block, FunctionWriter, named, type Structures } from "./block.ts";
import { parameterText } from "./describe.ts";
import { snakeCase } from "./names.ts";
import { call, code } from "./python.ts";
import { addStep, packed, type Step, stepBody, symbolsIn } from "./step.ts";
import { exact, type Value } from "./values.ts";

/** Longer arguments of a loop get a name. */
const longestArgument = 40;

export function writeLoop(
  block: Block,
  node: ScanNode,
  id: NodeId,
  structures: Structures,
): readonly (Value | undefined)[] {
  const { attrs } = node;
  const { body, carries } = attrs;
  const { writer } = block;
  const operands = node.operands.map((operand, i) => {
    const value = block.value(operand);
    if (value.known !== undefined) return value;
    // What the body reads from outside is computed once, before the loop.
    const needsName = i < attrs.consts || exact(value, writer).text.length > longestArgument;
    return needsName ? block.bind(operand) : value;
  });
  const read = resultsRead(block, id);
  const ys = body.outputs.flatMap((_, i) => (i >= carries && read.has(i) ? [i] : []));
  const step: Step = {
    attrs,
    outputs: [...body.outputs.slice(0, carries), ...ys.map((i) => at(body.outputs, i))],
    ...stepNames(block, node),
  };
  const consts = operands.slice(0, attrs.consts);
  const root = sharedRoot(consts, step);
  const f =
    root === undefined
      ? nestedStep(block, step, consts, structures)
      : sharedStep(block, step, consts, structures, root);

  const together = (values: readonly Value[]) => packed(values.map((value) => exact(value, writer)));
  const options = [
    ...(operands.length === attrs.consts + carries ? [`length=${writer.dim(attrs.length)}`] : []),
    ...(attrs.reverse ? ["reverse=True"] : []),
  ];
  const scan = call(
    "lax.scan",
    f,
    together(operands.slice(attrs.consts, attrs.consts + carries)),
    together(operands.slice(attrs.consts + carries)),
    ...options,
  );
  const results: (Value | undefined)[] = body.outputs.map(() => undefined);
  const target = (index: number, wanted: string) => {
    if (!read.has(index)) return "_";
    const name = writer.names.fresh(wanted);
    const { dtype, shape } = nodeAt(body, at(body.outputs, index)).aval;
    results[index] = named({ dtype, shape: index < carries ? shape : [attrs.length, ...shape] }, name);
    return name;
  };
  const last = step.carries.map((name, i) => target(i, `last_${name}`));
  const carry = last.every((name) => name === "_") ? "_" : packed(last.map((name) => code(name))).text;
  const stacked = ys.map((index) => target(index, "outputs"));
  block.comment(id);
  writer.assign(`${carry}, ${stacked.length === 0 ? "_" : packed(stacked.map((name) => code(name))).text}`, scan);
  return results;
}

/** The results of a loop that something reads. */
function resultsRead({ graph, needed }: Block, id: NodeId): Set<number> {
  const read = new Set<number>();
  for (const [other, node] of graph.nodes.entries())
    if (node.op === "result" && node.operands[0] === id && needed.has(other)) read.add(node.attrs.index);
  return read;
}

function stepNames(block: Block, { attrs }: ScanNode): Pick<Step, "carries" | "xs"> {
  const { body } = attrs;
  const { carries, xs } = bodyInputs(attrs);
  const hints = block.writer.module.options.carries?.[body.name];
  const plain = (id: NodeId) => (carries.length === 1 ? "carry" : snakeCase(inputName(body, id)));
  return {
    carries: carries.map((id, i) => hints?.[i] ?? plain(id)),
    xs: xs.map((id) => {
      const { dtype } = nodeAt(body, id).aval;
      return dtype === "bool" ? "exists" : dtype === "u32" ? "step_number" : "x";
    }),
  };
}

/** The tree that all consts of a loop are in, if they are parameters and the body needs no size from outside. */
function sharedRoot(consts: readonly Value[], { attrs }: Step): readonly string[] | undefined {
  const paths = consts.flatMap(({ path }) => (path === undefined ? [] : [path]));
  if (paths.length < consts.length || paths.length === 0) return undefined;
  const { body } = attrs;
  const outside = body.inputs.slice(attrs.consts);
  const sized = new Set(outside.flatMap((id) => nodeAt(body, id).aval.shape));
  if (symbolsIn(body).some((symbol) => !sized.has(symbol))) return undefined;
  const [first = []] = paths;
  let length = first.length - 1;
  while (paths.some((path) => path.length <= length || first.slice(0, length).some((part, i) => part !== path[i])))
    length -= 1;
  return first.slice(0, length);
}

function nestedStep(block: Block, step: Step, consts: readonly Value[], structures: Structures): string {
  const { writer } = block;
  const { name: of } = step.attrs.body;
  const name = writer.names.fresh(of === "step" ? "step" : `${of}_step`);
  const inner = new FunctionWriter(writer.module, writer.names.inner(), writer.indent + 4, writer);
  const { carry, x } = stepBody(inner, step, consts, structures);
  writer.nested([`${" ".repeat(writer.indent)}def ${name}(${carry}, ${x === carry ? `_${x}` : x}):`, ...inner.body()]);
  return name;
}

/** The body as a function of the module, applied to the parameters below `root`. */
function sharedStep(
  block: Block,
  step: Step,
  consts: readonly Value[],
  structures: Structures,
  root: readonly string[],
): string {
  const { module } = block.writer;
  const { body } = step.attrs;
  const paths = consts.map(({ path = [] }) => path.slice(root.length));
  const name = addStep(module, body.name, step, paths, structures);
  return `partial(${name}, ${parameterText("params", root)})`;
}
