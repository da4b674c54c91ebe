/** @file The function of one time step: `(carry, x) -> (next carry, y)`, as `lax.scan` calls it. */
import { symbolsOf } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, type NodeId, nodeAt, type ScanAttrs } from "../../compiler/graph/graph.ts";
import { bodyInputs } from "../../compiler/ops/scan.ts";
import { Block, FunctionWriter, named, type Structures } from "./block.ts";
import { describeAll, describeAval, parameterText } from "./describe.ts";
import type { ModuleWriter } from "./module.ts";
import { type Code, code, several, statement, tuple } from "./python.ts";
import { exact, type Value } from "./values.ts";

export interface Step {
  /** Its body and how its inputs divide into consts, carries and xs. */
  readonly attrs: Pick<ScanAttrs, "body" | "consts" | "carries">;
  /** The outputs to return: next carries, and the ys that are read. */
  readonly outputs: readonly NodeId[];
  readonly carries: readonly string[];
  readonly xs: readonly string[];
  /** The name of the first y. */
  readonly output?: string;
}

/** Writes the statements of a step and returns the names of its two arguments. */
export function stepBody(
  writer: FunctionWriter,
  { attrs, outputs, carries, xs, output }: Step,
  consts: readonly Value[],
  structures: Structures,
): { readonly carry: string; readonly x: string } {
  const { body } = attrs;
  const places = bodyInputs(attrs as ScanAttrs);
  for (const symbol of symbolsIn(body)) writer.names.take(symbol);
  const bound = new Map<NodeId, Value>();
  for (const [i, id] of places.consts.entries()) bound.set(id, at(consts, i));
  const bind = (ids: readonly NodeId[], wanted: readonly string[], together: string): string => {
    if (ids.length === 0) return "_";
    const names = wanted.map((name) => writer.names.fresh(name));
    for (const [i, id] of ids.entries()) bound.set(id, named(nodeAt(body, id).aval, at(names, i)));
    if (names.length === 1) return at(names, 0);
    const whole = writer.names.fresh(together);
    writer.unpack(names, whole);
    return whole;
  };
  const carry = bind(places.carries, carries, carries.every((name) => name.startsWith("carry")) ? "carry" : "state");
  const x = bind(places.xs, xs, "xs");
  const inputs = [...places.xs, ...places.carries].map((id) => ({ id, text: textOf(bound, id) }));
  const isFloat = ({ id }: { readonly id: NodeId }) => nodeAt(body, id).aval.dtype === "f32";
  const float = [...places.consts.map((id) => ({ id, text: textOf(bound, id) })), ...inputs].find(isFloat)?.text;
  writer.know({ shapes: inputs.map(({ id, text }) => ({ text, shape: nodeAt(body, id).aval.shape })), float });
  const wanted = new Map<NodeId, string>();
  if (output !== undefined && outputs.length > attrs.carries) wanted.set(at(outputs, attrs.carries), output);
  for (const [i, name] of carries.entries()) wanted.set(at(outputs, i), `next_${name}`);
  const block = new Block({ writer, structures, graph: body, bound, wanted, outputs });
  block.write();
  const codes = outputs.map((id) => returned(block, id));
  const pair = [packed(codes.slice(0, attrs.carries)), packed(codes.slice(attrs.carries))];
  writer.lines.push(...statement("return ", several(pair), writer.indent));
  return { carry, x };
}

function textOf(bound: ReadonlyMap<NodeId, Value>, id: NodeId): string {
  return bound.get(id)?.forms[0]?.code.text ?? "";
}

/** Several values as one: nothing is None, and one value is itself. */
export function packed(codes: readonly Code[]): Code {
  return codes.length === 0 ? code("None") : codes.length === 1 ? at(codes, 0) : tuple(codes);
}

/** An output as it is returned: by a name if it is long. */
export function returned(block: Block, id: NodeId, longest = 24): Code {
  const value = block.value(id);
  const whole = exact(value, block.writer);
  if (value.simple === true || whole.text.length <= longest) return whole;
  return exact(block.bind(id), block.writer);
}

/** The symbols of all sizes in a graph. */
export function symbolsIn(graph: Graph): string[] {
  return graph.nodes.flatMap((node) => [
    ...node.aval.shape.flatMap((dim) => symbolsOf(dim)),
    ...(node.op === "scan" ? [...symbolsIn(node.attrs.body), ...symbolsOf(node.attrs.length)] : []),
    ...(node.op === "dimSize" ? symbolsOf(node.attrs.dim) : []),
  ]);
}

/** Adds a step as a function of the module, with the consts as parameters at `paths` of a tree; returns its name. */
export function addStep(
  module: ModuleWriter,
  wanted: string,
  step: Step,
  paths: readonly (readonly string[])[],
  structures: Structures,
): string {
  const { attrs, outputs } = step;
  const { body } = attrs;
  const places = bodyInputs(attrs as ScanAttrs);
  const names = module.names.inner();
  names.take("params");
  const consts = places.consts.map((id, i): Value => {
    const path = at(paths, i);
    return { ...named(nodeAt(body, id).aval, parameterText("params", path)), path };
  });
  const writer = new FunctionWriter(module, names, 4);
  const { carry, x } = stepBody(writer, step, consts, structures);
  const typeOf = (count: number) =>
    count === 0 ? "None" : count === 1 ? "Array" : `tuple[${new Array<string>(count).fill("Array").join(", ")}]`;
  const { carries } = attrs;
  const args = [
    ...(paths.length > 0 ? ["params: Params"] : []),
    `${carry}: ${typeOf(carries)}`,
    `${x}: ${typeOf(places.xs.length)}`,
  ];
  const result = `tuple[${typeOf(carries)}, ${typeOf(outputs.length - carries)}]`;
  const avals = (ids: readonly NodeId[], wanted: readonly string[]) =>
    describeAll(ids.map((id, i) => [at(wanted, i), nodeAt(body, id).aval]));
  const ys = outputs.slice(carries).map((id) => describeAval(nodeAt(body, id).aval));
  const about = [
    `One step of ${body.name}, for \`lax.scan\`.`,
    "",
    ...(carries > 0 ? [`State: ${avals(places.carries, step.carries)}.`] : []),
    ...(places.xs.length > 0 ? [`Input: ${avals(places.xs, step.xs)}.`] : []),
    ...(ys.length > 0 ? [`Output: ${ys.join("; ")}.`] : []),
  ].join("\n");
  return module.addOnce(wanted, { signature: { args, result }, about, body: writer.body(true) });
}
