/** @file A loop with some of the operands and results of another: what is left of it when a pass has moved the rest. */
import { at } from "../graph/errors.ts";
import { Fold } from "../graph/fold.ts";
import { type Graph, inputName, type NodeId, nodeAt, type ScanAttrs } from "../graph/graph.ts";
import { copyRules } from "../ops/inline.ts";
import { emitScan } from "../ops/scan.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";

/** Places among a loop's operands, which are those among the inputs of its body, by role. */
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

/** Emits the part of a loop that has the operands at `places`, each in the role that is said there, and gives `ys`. */
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

/** The part of a body that some of its outputs need, on some of its inputs. */
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

/** Whether these inputs and outputs are the body's own, and its nodes stand in the order in which its outputs need them. */
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
    // As many as there are before it, itself among them: all of them.
    if (found.size > before && found.size !== output + 1) return false;
  }
  return found.size === body.nodes.length;
}
