/** @file A loop with a subset of the operands and results of another: what remains after a pass has moved the rest. */
import { at } from "../graph/errors.ts";
import { Fold } from "../graph/fold.ts";
import { type Graph, inputName, type NodeId, nodeAt, type ScanAttrs } from "../graph/graph.ts";
import { copyRules } from "../ops/inline.ts";
import { emitScan } from "../ops/scan.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";

/** Positions of a loop's operands, which are also those of its body's inputs, by role. */
export interface LoopPlaces {
  readonly consts: readonly number[];
  readonly carries: readonly number[];
  readonly xs: readonly number[];
}

export function placesOf({ body, consts, carries }: ScanAttrs): LoopPlaces {
  const all = body.inputs.map((_, i) => i);
  return {
    consts: all.slice(0, consts),
    carries: all.slice(consts, consts + carries),
    xs: all.slice(consts + carries),
  };
}

/** Emits the part of a loop that has the operands at the given positions, each in the given role, and returns `ys`. */
export function emitPart(
  attrs: ScanAttrs,
  operands: readonly Tensor[],
  { consts, carries, xs }: LoopPlaces,
  ys: readonly NodeId[],
) {
  const { body } = attrs;
  const places = [...consts, ...carries, ...xs];
  const next = carries.map((place) => at(body.outputs, place - attrs.consts));
  const inner = restrict(
    body,
    places.map((place) => at(body.inputs, place)),
    [...next, ...ys],
  );
  return emitScan(
    { ...attrs, body: inner, consts: consts.length, carries: carries.length },
    places.map((place) => at(operands, place)),
  );
}

/** The part of a body that `outputs` need, as a function of `inputs`. */
function restrict(body: Graph, inputs: readonly NodeId[], outputs: readonly NodeId[]): Graph {
  if (isAll(body, inputs, outputs)) return body;
  const frame = new Frame(body.name);
  return within(frame, () => {
    const known = inputs.map((id) => [id, frame.input(inputName(body, id), nodeAt(body, id).aval)] as const);
    const part = new Fold(body, copyRules(body), known);
    return frame.finish(
      known.map(([, { id }]) => id),
      outputs.map((id) => part.value(id)),
    );
  });
}

/**
 * Whether these inputs and outputs are the body's own, and its nodes are in the order in which its outputs need them.
 */
function isAll(body: Graph, inputs: readonly NodeId[], outputs: readonly NodeId[]): boolean {
  const isSame = (a: readonly NodeId[], b: readonly NodeId[]) =>
    a.length === b.length && a.every((id, i) => id === b[i]);
  if (!isSame(inputs, body.inputs) || !isSame(outputs, body.outputs) || inputs.some((id, i) => id !== i)) return false;
  const found = new Set(inputs);
  for (const output of outputs) {
    const before = found.size;
    const open = [output];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (found.has(id)) continue;
      found.add(id);
      open.push(...nodeAt(body, id).operands);
    }
    // All nodes up to this output must have been found.
    if (found.size > before && found.size !== output + 1) return false;
  }
  return found.size === body.nodes.length;
}
