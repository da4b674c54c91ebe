/**
 * @file Forward mode: the derivative of a graph along one direction, computed together with its values. The jvp of a
 * scan is a scan that carries each state with its tangent. It is also a check of reverse mode, which shares its table
 * of rules.
 */
import { foldGraph } from "../graph/fold.ts";
import { type Graph, type ScanNode, scanResults } from "../graph/graph.ts";
import { customOperands } from "../ops/custom-gradient.ts";
import { emitNode, emitResults } from "../ops/inline.ts";
import { scanTensors } from "../ops/scan.ts";
import { entryOf } from "../ops/table.ts";
import { zerosLike } from "../ops/views.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { tangentTimes } from "./chain.ts";
import { knowBody } from "./known.ts";
import { graphVjp } from "./reverse.ts";
import type { CustomNode } from "./reverse-custom.ts";

type Float = Tensor<"f32">;
export type Tangent = Float | undefined;

export interface ForwardResult {
  readonly outputs: readonly Tensor[];
  /** Undefined if an output does not change along the direction. */
  readonly tangents: readonly Tangent[];
}

/** A value and its derivative along the direction. */
interface Moving {
  readonly primal: Tensor;
  readonly tangent: Tangent;
}

let transposes = false;

/**
 * While `body` runs, forward mode goes through a `customGradient` by the transpose of its vjp, which is linear in the
 * cotangents: for tests that compare the two modes.
 */
export function withTransposedVjps<T>(body: () => T): T {
  const before = transposes;
  transposes = true;
  try {
    return body();
  } finally {
    transposes = before;
  }
}

/**
 * The tangent of a result: the vjp is transposed, that is, differentiated with respect to its cotangents, which can be
 * zeros since it is linear in them.
 */
function tangentOfVjp({ attrs }: CustomNode, operands: readonly Tensor[], tangents: readonly Tangent[]): Tangent {
  const { results, args, capturedByVjp } = customOperands(attrs, operands);
  const given = [...capturedByVjp, ...results.map((result) => zerosLike(result)), ...args];
  const isCotangent = given.map((_, i) => i >= capturedByVjp.length && i < capturedByVjp.length + results.length);
  const { pullback } = graphVjp(attrs.vjp, given, isCotangent);
  const ofArgs = customOperands(attrs, tangents).args;
  return pullback(attrs.wanted.map((i) => ofArgs[i]))[capturedByVjp.length + attrs.index];
}

/** Adds `graph` on `primals` and its derivative along `tangents` to the current trace. */
export function pushForward(graph: Graph, primals: readonly Tensor[], tangents: readonly Tangent[]): ForwardResult {
  const isStill = (operands: readonly Moving[]) => operands.every(({ tangent }) => tangent === undefined);
  const moved = foldGraph<Moving>(
    graph,
    primals.map((primal, i) => ({ primal, tangent: tangents[i] })),
    {
      node: (node, operands, id) =>
        atSite(graph.sites[id], () => {
          const primalsIn = operands.map(({ primal }) => primal);
          const primal = emitNode(node, primalsIn);
          if (isStill(operands)) return { primal, tangent: undefined };
          const context = {
            operands: primalsIn as [Float, Float],
            out: primal as Float,
            attrs: node.attrs as never,
            times: tangentTimes,
          };
          const tangentsIn = operands.map(({ tangent }) => tangent);
          const isTransposed = transposes && node.op === "customGradient";
          return {
            primal,
            tangent: isTransposed
              ? tangentOfVjp(node, primalsIn, tangentsIn)
              : entryOf(node.op).jvp(tangentsIn, context),
          };
        }),
      scan: (node, operands, id) =>
        atSite(graph.sites[id], () => {
          const primalsIn = operands.map(({ primal }) => primal);
          if (isStill(operands))
            return emitResults(node.attrs, primalsIn).map((primal) => ({ primal, tangent: undefined }));
          const tangentsIn = operands.map(({ tangent }) => tangent);
          const { outputs, tangents: moving } = pushScanForward(node, primalsIn, tangentsIn);
          return outputs.map((primal, i) => ({ primal, tangent: moving[i] }));
        }),
    },
  );
  const outputs = moved.outputs();
  return { outputs: outputs.map(({ primal }) => primal), tangents: outputs.map(({ tangent }) => tangent) };
}

/**
 * Each f32 carry gets a tangent, initially zero if its start does not change: a weight's tangent can reach it in a
 * later step.
 */
function pushScanForward(node: ScanNode, operands: readonly Tensor[], tangents: readonly Tangent[]): ForwardResult {
  const { attrs } = node;
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
      knowBody(node, operands, primals);
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
    { reverse: attrs.reverse, length: attrs.length, recompute: attrs.recompute ?? false, name: `${body.name}.jvp` },
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
