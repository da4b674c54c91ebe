/**
 * @file Forward mode: the derivative of a graph along one direction, computed beside its values. The jvp of a scan is
 * a scan that carries each state with its tangent. It checks reverse mode, which shares its table of rules.
 */
import { at } from "../graph/errors.ts";
import { type Graph, type NodeId, type ScanNode, scanResults } from "../graph/graph.ts";
import { Inlined } from "../ops/inline.ts";
import { scanTensors } from "../ops/scan.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { zerosLike } from "../ops/views.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";

type Float = Tensor<"f32">;
export type Tangent = Float | undefined;

export interface ForwardResult {
  readonly outputs: readonly Tensor[];
  /** Undefined where an output does not change along the direction. */
  readonly tangents: readonly Tangent[];
}

/** Adds `graph` on `primals` and its derivative along `tangents` to the trace in progress. */
export function pushForward(graph: Graph, primals: readonly Tensor[], tangents: readonly Tangent[]): ForwardResult {
  const inlined = new Inlined();
  const tangent = new Map<NodeId, Tangent>();
  const scanTangents = new Map<NodeId, readonly Tangent[]>();
  for (const [i, id] of graph.inputs.entries()) {
    inlined.tensors.set(id, at(primals, i));
    tangent.set(id, tangents[i]);
  }
  for (const [id, node] of graph.nodes.entries()) {
    const moving = node.operands.map((operand) => tangent.get(operand));
    if (node.op === "result") {
      inlined.add(graph, id);
      tangent.set(id, scanTangents.get(at(node.operands, 0))?.[node.attrs.index]);
    } else if (moving.every((t) => t === undefined)) {
      inlined.add(graph, id);
    } else if (node.op === "scan") {
      const operands = node.operands.map((operand) => inlined.tensor(operand));
      const { outputs, tangents: moved } = atSite(graph.sites[id], () => pushScanForward(node, operands, moving));
      inlined.scans.set(id, outputs);
      scanTangents.set(id, moved);
    } else {
      inlined.add(graph, id);
      const operands = node.operands.map((operand) => inlined.tensor(operand)) as [Float, Float];
      const context = { operands, out: inlined.tensor(id) as Float, attrs: node.attrs as never };
      tangent.set(
        id,
        atSite(graph.sites[id], () => entryOf(node.op as TableOp).jvp(moving, context)),
      );
    }
  }
  return {
    outputs: graph.outputs.map((id) => inlined.tensor(id)),
    tangents: graph.outputs.map((id) => tangent.get(id)),
  };
}

/** Each f32 carry gets a tangent, zero at first where its start does not move: a weight's tangent may reach it later. */
function pushScanForward(
  { attrs }: ScanNode,
  operands: readonly Tensor[],
  tangents: readonly Tangent[],
): ForwardResult {
  const { body, consts, carries: carryCount } = attrs;
  const isFloat = (tensor: Tensor): tensor is Float => tensor.dtype === "f32";
  const fixed = operands.slice(0, consts);
  const initial = operands.slice(consts, consts + carryCount);
  const xs = operands.slice(consts + carryCount);
  const initialTangents = initial.flatMap((carry, i) =>
    isFloat(carry) ? [tangents[consts + i] ?? zerosLike(carry)] : [],
  );
  const xTangents = tangents.slice(consts + carryCount);
  const movingXs = xTangents.filter((t) => t !== undefined);
  const results = scanTensors(
    (carriesIn, xsIn) => {
      const carryTangents = [...carriesIn.slice(carryCount)] as Float[];
      const stepTangents = [...xsIn.slice(xs.length)] as Float[];
      const primals = [...fixed, ...carriesIn.slice(0, carryCount), ...xsIn.slice(0, xs.length)];
      const moving: Tangent[] = [
        ...tangents.slice(0, consts),
        ...initial.map((carry) => (isFloat(carry) ? carryTangents.shift() : undefined)),
        ...xTangents.map((t) => t && stepTangents.shift()),
      ];
      const step = pushForward(body, primals, moving);
      const floats = step.outputs.flatMap((out, i) =>
        isFloat(out) ? [{ i, tangent: step.tangents[i] ?? zerosLike(out) }] : [],
      );
      return {
        carries: [
          ...step.outputs.slice(0, carryCount),
          ...floats.filter(({ i }) => i < carryCount).map(({ tangent }) => tangent),
        ],
        ys: [
          ...step.outputs.slice(carryCount),
          ...floats.filter(({ i }) => i >= carryCount).map(({ tangent }) => tangent),
        ],
      };
    },
    [...initial, ...initialTangents],
    [...xs, ...movingXs],
    { reverse: attrs.reverse, length: attrs.length, name: `${body.name}.jvp` },
  );
  const yCount = body.outputs.length - carryCount;
  const movedCarries = [...results.carries.slice(carryCount)] as Float[];
  const movedYs = [...results.ys.slice(yCount)] as Float[];
  return {
    outputs: [...results.carries.slice(0, carryCount), ...results.ys.slice(0, yCount)],
    tangents: scanResults(attrs).map(({ dtype }, i) =>
      dtype !== "f32" ? undefined : (i < carryCount ? movedCarries : movedYs).shift(),
    ),
  };
}
