/**
 * @file The vjp of a scan is a scan in the opposite direction: its carries are the cotangents of the carries, its xs
 * the cotangents of the ys and the residuals of the forward pass.
 *
 * One step is differentiated into a *joint* graph (values and cotangents together), which is then split. The values
 * that the cotangents read are the residuals: values of the step itself are stored, as extra ys of the forward scan;
 * views of them, and values that the derivative rules compute from them, are recomputed in the backward scan.
 * A loop with `recompute` stores its carries only. Cotangents of consts (weights) are summed over time in additional
 * carries; a pass moves products among these out of the loop.
 */
import { at } from "../graph/errors.ts";
import { Fold } from "../graph/fold.ts";
import { dependentsOf, type Graph, type NodeId, type ScanNode } from "../graph/graph.ts";
import { comparedExactly } from "../ops/compared-exactly.ts";
import { add } from "../ops/elementwise.ts";
import { copyRules } from "../ops/inline.ts";
import { bodyInputs, emitScan, scanTensors } from "../ops/scan.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { zerosLike } from "../ops/views.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { knowBody } from "./known.ts";

type Float = Tensor<"f32">;
type Cotangent = Float | undefined;

export interface DifferentiableScan {
  /** Results of the forward scan: final carries, then ys. */
  readonly results: readonly Tensor[];
  /** Cotangents of the operands (consts, carries, xs) from those of the results. */
  readonly pullback: (cts: readonly Cotangent[]) => readonly Cotangent[];
}

type GraphVjpFunction = (
  graph: Graph,
  primals: readonly Tensor[],
  wrt: readonly boolean[],
) => { readonly pullback: (cts: readonly Cotangent[]) => readonly Cotangent[]; readonly outputs: readonly Tensor[] };

/** The values and cotangents of one step in one graph, and the roles of its nodes. */
interface Joint {
  /** (consts, carries, xs, cts of next carries and ys) -> cotangents of the differentiated body inputs. */
  readonly graph: Graph;
  /** For each body input, the node that is its cotangent; undefined if it gets none. */
  readonly cotangentOf: readonly (NodeId | undefined)[];
  /** For each body output, the graph's input for its cotangent. */
  readonly received: readonly (NodeId | undefined)[];
  /** Nodes that the forward scan stores and the backward scan reads. */
  readonly residuals: readonly NodeId[];
  /** The outputs of the step, as nodes of the joint graph. */
  readonly outputs: readonly NodeId[];
}

export function differentiableScan(
  node: ScanNode,
  operands: readonly Tensor[],
  wrt: readonly boolean[],
  graphVjp: GraphVjpFunction,
): DifferentiableScan {
  const { attrs } = node;
  const { consts: constCount, carries: carryCount, body } = attrs;
  const joint = differentiateStep(node, operands, wrt, graphVjp);
  const forwardBody = forwardWithResiduals(joint, body);
  const forward = emitScan({ ...attrs, body: forwardBody }, operands);
  const results = [...forward.carries, ...forward.ys];
  const yCount = body.outputs.length - carryCount;
  const stored = forward.ys.slice(yCount);
  const consts = operands.slice(0, constCount);
  const initial = operands.slice(constCount, constCount + carryCount);
  const xs = operands.slice(constCount + carryCount);
  const inputs = bodyInputs({ ...attrs, body: joint.graph });

  const pullback = (cts: readonly Cotangent[]): Cotangent[] => {
    const isFloat = (tensor: Tensor) => tensor.dtype === "f32";
    const floatCarries = [...initial.keys()].filter((i) => isFloat(at(initial, i)));
    const floatYs = Array.from({ length: yCount }, (_, i) => i).filter((i) => cts[carryCount + i] !== undefined);
    const wantedConsts = [...consts.keys()].filter((i) => joint.cotangentOf[i] !== undefined);
    const wantedXs = [...xs.keys()].filter((i) => joint.cotangentOf[constCount + carryCount + i] !== undefined);
    const back = scanTensors(
      (carriesIn, xsIn) => {
        const [stepCts, sums] = cut(carriesIn, floatCarries.length);
        const [yCts, rest] = cut(xsIn, floatYs.length);
        const [residuals, xsNow] = cut(rest, stored.length);
        const known = new Map<NodeId, Tensor>();
        const set = (id: NodeId | undefined, tensor: Tensor): void => {
          if (id !== undefined) known.set(id, tensor);
        };
        inputs.consts.forEach((id, i) => {
          set(id, at(consts, i));
        });
        joint.received.forEach((id) => {
          if (id !== undefined) set(id, zerosLike(at(joint.graph.nodes, id).aval));
        });
        floatCarries.forEach((carry, i) => {
          set(joint.received[carry], at(stepCts, i));
        });
        floatYs.forEach((y, i) => {
          set(joint.received[carryCount + y], at(yCts, i));
        });
        inputs.xs.slice(0, xs.length).forEach((id, i) => {
          set(id, at(xsNow, i));
        });
        joint.residuals.forEach((id, i) => {
          set(id, at(residuals, i));
        });
        const step = new Fold(joint.graph, copyRules(joint.graph), known);
        const cotangent = (input: number): Cotangent => {
          const id = joint.cotangentOf[input];
          return id === undefined ? undefined : (step.value(id) as Float);
        };
        return {
          carries: [
            ...floatCarries.map((i) => cotangent(constCount + i) ?? zerosLike(at(initial, i))),
            ...wantedConsts.map((i, k) => add(at(sums, k) as Float, cotangent(i) as Float)),
          ],
          ys: wantedXs.map((i) => cotangent(constCount + carryCount + i) as Float),
        };
      },
      [
        ...floatCarries.map((i) => cts[i] ?? zerosLike(at(initial, i))),
        ...wantedConsts.map((i) => zerosLike(at(consts, i))),
      ],
      [...floatYs.map((i) => cts[carryCount + i] as Float), ...stored, ...xs],
      {
        ...{ reverse: !attrs.reverse, length: attrs.length, recompute: attrs.recompute ?? false },
        name: `${body.name}.vjp`,
      },
    );
    const out = new Array<Cotangent>(operands.length).fill(undefined);
    floatCarries.forEach((i, k) => {
      if (wrt[constCount + i]) out[constCount + i] = back.carries[k] as Float;
    });
    wantedConsts.forEach((i, k) => {
      out[i] = back.carries[floatCarries.length + k] as Float;
    });
    wantedXs.forEach((i, k) => {
      out[constCount + carryCount + i] = back.ys[k] as Float;
    });
    return out;
  };
  return { results: results.slice(0, carryCount + yCount), pullback };
}

function cut<T>(items: readonly T[], count: number): [readonly T[], readonly T[]] {
  return [items.slice(0, count), items.slice(count)];
}

function differentiateStep(
  node: ScanNode,
  operands: readonly Tensor[],
  wrt: readonly boolean[],
  graphVjp: GraphVjpFunction,
): Joint {
  const { body, carries: carryCount } = node.attrs;
  const frame = new Frame(`${body.name}.joint`);
  const avalOf = (id: NodeId) => at(body.nodes, id).aval;
  const primals = body.inputs.map((id, i) => frame.input(`p${i}`, avalOf(id)));
  knowBody(node, operands, primals);
  const cts = body.outputs.map((id, i) =>
    avalOf(id).dtype === "f32" ? frame.input(`ct${i}`, avalOf(id) as Float) : undefined,
  );
  // A carry is differentiated even if its start is fixed: gradients flow through it to earlier steps.
  const isCarry = (i: number) => i >= node.attrs.consts && i < node.attrs.consts + carryCount;
  const flags = body.inputs.map((_, i) => isCarry(i) || (wrt[i] ?? false));
  return within(frame, () => {
    const { outputs, pullback } = graphVjp(body, primals, flags);
    const outputIds = outputs.map((tensor) => frame.resolve(tensor));
    const ownNodes = frame.builder.finish([], []).nodes.length;
    const found = pullback(cts);
    const graph = frame.finish(
      [...primals, ...cts.filter((ct) => ct !== undefined)].map(({ id }) => id),
      [],
    );
    const cotangentOf = found.map((ct) => (ct === undefined ? undefined : frame.resolve(ct)));
    const fromCts = dependentsOf(
      graph,
      cts.flatMap((ct) => (ct === undefined ? [] : [ct.id])),
    );
    const fromSteps = dependentsOf(
      graph,
      primals.slice(node.attrs.consts).map(({ id }) => id),
    );
    const xIds = new Set(primals.slice(node.attrs.consts + carryCount).map(({ id }) => id));
    const carryIds = new Set(primals.slice(node.attrs.consts, node.attrs.consts + carryCount).map(({ id }) => id));
    const isStored = (id: NodeId) => {
      if (node.attrs.recompute) return carryIds.has(id);
      return id < ownNodes && fromSteps.has(id) && !fromCts.has(id) && !xIds.has(id) && !isRecomputed(graph, id);
    };
    const residuals = collectResiduals(graph, cotangentOf, isStored);
    return { graph, cotangentOf, received: cts.map((ct) => ct?.id), residuals, outputs: outputIds };
  });
}

/**
 * Whether a node is recomputed: views cost nothing, and random numbers are the same when recomputed. Their operands are
 * stored instead.
 */
function isRecomputed(graph: Graph, id: NodeId): boolean {
  const { op } = at(graph.nodes, id);
  if (op === "randomBits") return true;
  return (
    op !== "scan" &&
    op !== "result" &&
    op !== "gather" &&
    op !== "customGradient" &&
    entryOf(op as TableOp).kind === "view"
  );
}

/** The stored nodes at which a walk from the cotangents to their operands stops. */
function collectResiduals(
  graph: Graph,
  wanted: readonly (NodeId | undefined)[],
  isStored: (id: NodeId) => boolean,
): NodeId[] {
  const residuals = new Set<NodeId>();
  const visited = new Set<NodeId>();
  const visit = (id: NodeId): void => {
    if (visited.has(id)) return;
    visited.add(id);
    if (isStored(id)) residuals.add(id);
    else at(graph.nodes, id).operands.forEach(visit);
  };
  for (const id of wanted) if (id !== undefined) visit(id);
  return dropCheap(graph, residuals, isStored);
}

/**
 * Drops residuals that are cheap arithmetic on other residuals, such as 1 - z if z is stored: they are recomputed, unless
 * a derivative compares them exactly.
 */
function dropCheap(graph: Graph, residuals: Set<NodeId>, isStored: (id: NodeId) => boolean): NodeId[] {
  const compared = comparedExactly(graph, (id) => !isStored(id));
  const available = (id: NodeId, dropped: NodeId): boolean => {
    if (id !== dropped && residuals.has(id)) return true;
    const fromOperands = isPlainArithmetic(graph, id) || isRecomputed(graph, id);
    if (id !== dropped && !isStored(id) && !isRecomputed(graph, id)) return true;
    return fromOperands && at(graph.nodes, id).operands.every((operand) => available(operand, dropped));
  };
  for (const id of [...residuals].sort((a, b) => b - a)) {
    if (isPlainArithmetic(graph, id) && !compared.has(id) && available(id, id)) residuals.delete(id);
  }
  return [...residuals].sort((a, b) => a - b);
}

function isPlainArithmetic(graph: Graph, id: NodeId): boolean {
  const { op } = at(graph.nodes, id);
  if (op === "scan" || op === "result") return false;
  const entry = entryOf(op as TableOp);
  return entry.kind === "elementwise" && entry.cheap;
}

/** The step with its residuals as extra outputs. */
function forwardWithResiduals(joint: Joint, body: Graph): Graph {
  const frame = new Frame(body.name);
  return within(frame, () => {
    const inputs = body.inputs.map((id, i) => {
      const { aval, attrs } = at(body.nodes, id);
      const name = (attrs as { readonly name?: string }).name ?? `input${i}`;
      return frame.input(name, aval);
    });
    // The joint graph also has inputs for the cotangents; the step does not read them.
    const known = inputs.map((tensor, i) => [at(joint.graph.inputs, i), tensor] as const);
    const step = new Fold(joint.graph, copyRules(joint.graph), known);
    const outputs = [...joint.outputs, ...joint.residuals].map((id) => step.value(id));
    return frame.finish(
      inputs.map(({ id }) => id),
      outputs,
    );
  });
}
