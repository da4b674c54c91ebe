/**
 * @file A loop in two parts: what depends on no carry is computed for all steps at once, and a loop with less in it remains.
 */
import { at } from "../graph/errors.ts";
import { Fold } from "../graph/fold.ts";
import {
  dependentsOf,
  type Graph,
  inputName,
  type NodeId,
  nodeAt,
  type OpName,
  type ScanAttrs,
} from "../graph/graph.ts";
import { copyRules } from "../ops/inline.ts";
import { bodyInputs } from "../ops/scan.ts";
import { AllSteps } from "../passes/all-steps.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";

/**
 * The results of a loop of which what depends on no carry is computed for all steps at once, and the rest by `run`. The
 * body must have no `reasonAgainstAllSteps`.
 */
export function splitLoop(
  attrs: ScanAttrs,
  operands: readonly Tensor[],
  run: (attrs: ScanAttrs, operands: readonly Tensor[]) => readonly Tensor[],
): readonly Tensor[] {
  const { body, consts, carries } = attrs;
  const all = new AllSteps(attrs, operands);
  const inputs = bodyInputs(attrs);
  const inLoop = dependentsOf(body, inputs.carries);
  const needed = ancestorsWithout(
    body,
    [...body.outputs.slice(0, carries), ...body.outputs.filter((id) => inLoop.has(id))],
    new Set(),
  );
  const early = border(
    attrs,
    [...needed].filter((id) => inLoop.has(id)),
    inLoop,
  );
  // A carry whose next value needs no carry is a delay.
  for (const id of body.outputs.slice(0, carries)) if (!inLoop.has(id) && !early.includes(id)) early.push(id);
  const ys = body.outputs.slice(carries).filter((id) => inLoop.has(id));
  const frame = new Frame(body.name);
  const graph = within(frame, () => {
    const known = [...body.inputs, ...early.filter((id) => !body.inputs.includes(id))].map((id) => {
      const name = nodeAt(body, id).op === "input" ? inputName(body, id) : `early${id}`;
      return [id, frame.input(name, nodeAt(body, id).aval)] as const;
    });
    const fold = new Fold(body, copyRules(body), known);
    const next = body.outputs.slice(0, carries).map((id) => fold.value(id));
    return frame.finish(
      known.map(([, { id }]) => id),
      [...next, ...ys.map((id) => fold.value(id))],
    );
  });
  const found = early.filter((id) => !body.inputs.includes(id)).map((id) => all.of(id));
  const results = carries === 0 ? [] : run({ ...attrs, body: graph, consts }, [...operands, ...found]);
  return body.outputs.map((id, i) => {
    if (i < carries) return at(results, i);
    return inLoop.has(id) ? at(results, carries + ys.indexOf(id)) : all.of(id);
  });
}

/**
 * The values outside of a part of a step that nodes of the part read; views and constants are computed again, and so is
 * what is the same in every step.
 */
export function border(attrs: ScanAttrs, readers: readonly NodeId[], part: ReadonlySet<NodeId>): NodeId[] {
  const { body } = attrs;
  const inputs = bodyInputs(attrs);
  const changing = dependentsOf(body, [...inputs.carries, ...inputs.xs]);
  const needed = new Set<NodeId>();
  const visit = (id: NodeId): void => {
    const { op, operands } = nodeAt(body, id);
    if (part.has(id) || !changing.has(id) || inputs.xs.includes(id)) return;
    if (isViewOfOne(op)) operands.forEach(visit);
    else needed.add(id);
  };
  for (const id of readers) nodeAt(body, id).operands.forEach(visit);
  return [...needed].sort((a, b) => a - b);
}

function isViewOfOne(op: OpName): boolean {
  return op === "reshape" || op === "broadcast" || op === "transpose" || op === "slice";
}

/** What `ids` need, where a walk stops at `ends`. */
export function ancestorsWithout(graph: Graph, ids: readonly NodeId[], ends: ReadonlySet<NodeId>): Set<NodeId> {
  const found = new Set(ids);
  for (let id = graph.nodes.length - 1; id >= 0; id--)
    if (found.has(id) && !ends.has(id)) for (const operand of nodeAt(graph, id).operands) found.add(operand);
  return found;
}
