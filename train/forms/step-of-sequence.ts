/**
 * @file Extracts one time step from a graph over whole sequences. Loops over time are opened: their carries become states, and
 * the rest of the graph runs on a sequence of one step. This is correct if no step of any value depends on later steps, which
 * `along-time.ts` checks.
 *
 *   sequence   parameters, state/…, inputs [.., T, ..] -> state/…, outputs
 *   step       parameters, state/…, inputs without T   -> state/…, outputs without T
 *
 * States that the sequence does not have are named `state/loops/N/I`, for the I-th carry of the N-th loop. All start at zero;
 * if a loop starts at another value, `state/begun` is 0 before the first step and 1 afterwards.
 */
import type { Shape } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { foldGraph } from "../../compiler/graph/fold.ts";
import { type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../../compiler/graph/graph.ts";
import { less } from "../../compiler/ops/elementwise.ts";
import { copyRules, inlineGraph } from "../../compiler/ops/inline.ts";
import { where as chosen } from "../../compiler/ops/logic.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import { broadcast, constant, reshape } from "../../compiler/ops/views.ts";
import { removeDead } from "../../compiler/passes/dead.ts";
import { substitute } from "../../compiler/passes/specialize.ts";
import { withoutCallSites } from "../../compiler/trace/site.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { type Along, isOverTime, isTimed, isZero, outputsAlongTime } from "./along-time.ts";

const begun = "state/begun";

/** A carry of a loop over time. */
interface Carry {
  readonly loop: NodeId;
  readonly index: number;
  /** The node with its initial value. */
  readonly start: NodeId;
  /** The name of its state. */
  readonly name: string;
}

/**
 * The step of a graph over sequences. Throws a UserError that names the op and line that cannot run step by step; `where` is
 * the calling function, for messages.
 */
export function stepOfSequence(whole: Graph, where: string): Graph {
  // A graph from a file has no source lines, and must not get those of the code that reads it.
  return withoutCallSites(() => steppedGraph(removeDead(whole), where));
}

function steppedGraph(graph: Graph, where: string): Graph {
  const states = graph.inputs.filter((id) => inputName(graph, id).startsWith("state/"));
  const outputs = steppable(where, () => outputsAlongTime(graph));
  const carries = carriesOf(graph);
  const opened = carries.filter(({ start }) => !states.includes(start));
  const isBegun = opened.some(({ start }) => !isZero(graph, start));
  checkStates(where, graph, states, carries);
  const short = substitute(graph, { T: 1 });
  const own = [
    ...opened.map(({ start, name }): NamedAval => ({ name, ...nodeAt(graph, start).aval })),
    ...(isBegun ? [{ name: begun, dtype: "f32", shape: [] } satisfies NamedAval] : []),
  ];
  const given = graph.inputs.map((id): NamedAval => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    return { name: inputName(graph, id), dtype, shape: withoutTime(where, inputName(graph, id), shape) };
  });
  const [fixed, read] = [given.slice(0, 1 + states.length), given.slice(1 + states.length)];
  const inputs = [...fixed, ...own, ...read];
  return traceGraph("streamingStep", inputs, (tensors) => {
    const named = new Map(inputs.map(({ name }, i) => [name, at(tensors, i)]));
    const values = graph.inputs.map((id) => {
      const tensor = named.get(inputName(graph, id)) as Tensor;
      return reshape(tensor, nodeAt(short, id).aval.shape);
    });
    const next = new Map<string, Tensor>();
    const started = (carry: Carry, start: Tensor): Tensor => {
      const state = named.get(carry.name);
      if (state === undefined || isZero(graph, carry.start)) return state ?? start;
      const isFirst = less(named.get(begun) as Tensor<"f32">, 0.5);
      return chosen(broadcast(isFirst, state.shape), start, state);
    };
    const open = (id: NodeId, { attrs }: ScanNode, operands: readonly Tensor[]): readonly Tensor[] => {
      const { consts, carries: count, body } = attrs;
      const before = carries.filter(({ loop }) => loop === id);
      const held = before.map((carry, i) => started(carry, at(operands, consts + i)));
      const xs = operands.slice(consts + count).map((x) => reshape(x, x.shape.slice(1)));
      const results = inlineGraph(body, [...operands.slice(0, consts), ...held, ...xs]);
      for (const [i, { name }] of before.entries()) next.set(name, at(results, i));
      return results.map((result, i) => (i < count ? result : reshape(result, [1, ...result.shape])));
    };
    const fold = foldGraph(
      short,
      values,
      copyRules(short, {
        scan: (node, operands, id) => {
          const original = nodeAt(graph, id) as ScanNode;
          return isOverTime(original) ? open(id, node, operands) : undefined;
        },
      }),
    );
    const results = fold.outputs().slice(states.length);
    return [
      ...[...fixed.slice(1), ...opened].map(({ name }) => next.get(name) as Tensor),
      ...(isBegun ? [constant(1)] : []),
      ...results.map((result, i) => {
        const place = states.length + i;
        return withoutStep(result, at(outputs, place), nodeAt(graph, at(graph.outputs, place)).aval.shape);
      }),
    ];
  });
}

function carriesOf(graph: Graph): readonly Carry[] {
  const loops = [...graph.nodes.entries()].flatMap(([id, node]) =>
    node.op === "scan" && isOverTime(node) ? [{ id, node }] : [],
  );
  return loops.flatMap(({ id, node: { operands, attrs } }, n) =>
    Array.from({ length: attrs.carries }, (_, index): Carry => {
      const start = at(operands, attrs.consts + index);
      const node = nodeAt(graph, start);
      const isState = node.op === "input" && node.attrs.name.startsWith("state/");
      return { loop: id, index, start, name: isState ? node.attrs.name : `state/loops/${n}/${index}` };
    }),
  );
}

/** Checks that each existing state is only the initial carry of one loop, and that its next value is that loop's result. */
function checkStates(where: string, graph: Graph, states: readonly NodeId[], carries: readonly Carry[]): void {
  for (const [i, id] of states.entries()) {
    const [carry, another] = carries.filter(({ start }) => start === id);
    const uses = graph.nodes.flatMap(({ operands }) => operands.filter((operand) => operand === id)).length;
    const output = nodeAt(graph, at(graph.outputs, i));
    const isEnd =
      output.op === "result" &&
      carry !== undefined &&
      at(output.operands, 0) === carry.loop &&
      output.attrs.index === carry.index;
    if (isEnd && another === undefined && uses === 1) continue;
    throw new UserError(
      `${where}: ${inputName(graph, id)} is not the carry of exactly one loop, so it cannot run step by step; use createPredictor on whole sequences`,
    );
  }
}

function steppable<T>(where: string, find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `${where}: it cannot run step by step, because ${error.message}; use createPredictor on whole sequences`,
      { cause: error },
    );
  }
}

function withoutTime(where: string, name: string, shape: Shape): Shape {
  if (!isTimed(shape)) return shape;
  if (shape.filter((dim) => dim === "T").length === 1) return shape.filter((dim) => dim !== "T");
  throw new UserError(
    `${where}: ${name} is [${shape.join(", ")}]; expected T as a separate axis, so that it has single steps`,
  );
}

/** Removes the time axis of a step, if time is a separate axis. */
function withoutStep(result: Tensor, along: Along, whole: Shape): Tensor {
  if (along.kind !== "along" || whole[along.axis] !== "T") return result;
  return reshape(
    result,
    result.shape.filter((_, axis) => axis !== along.axis),
  );
}
