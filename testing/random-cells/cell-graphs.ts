/** @file The graphs of a loss that the checks run, and their inputs. Each graph is verified after it is built. */

import { withTransposedVjps } from "../../compiler/autodiff/forward.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { inlineGraph } from "../../compiler/ops/inline.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { add, grad, jvp, mul, type NamedAval, sum, type Tensor, traceGraph, valueAndGrad } from "../../index.ts";
import { straightened } from "./node-values.ts";
import { cellData, moves, type RandomCell } from "./random-cell.ts";

type Float = Tensor<"f32">;

/** A loss at one point: its inputs, their values, and which are differentiated. */
export interface LossAtPoint {
  readonly avals: readonly NamedAval[];
  /** A value for each of them. */
  readonly inputs: readonly NdArray[];
  /** Which of them are differentiated; the others are fixed. */
  readonly moving: readonly boolean[];
  /** To be called while tracing, on tensors for the avals. */
  readonly lossOf: (tensors: readonly Tensor[]) => Float;
  /** Seed of the directions of differentiation. */
  readonly seed: number;
}

export interface LossGraphs extends LossAtPoint {
  /** inputs -> loss. */
  readonly loss: Graph;
  /** inputs -> loss, and the gradient of each differentiated input. */
  readonly gradient: Graph;
  /** The loss without scans and symbols, and its gradient. */
  readonly straightLoss: Graph;
  readonly straightGradient: Graph;
  /** inputs, and a tangent for each differentiated one -> loss and its derivative along the tangents. */
  readonly forwardMode: Graph;
  /** inputs, and a direction for each differentiated one -> derivative of each gradient along it; traced on demand. */
  readonly second: () => SecondOrder;
}

/** Hessian-vector products, computed in two ways. */
export interface SecondOrder {
  /** The gradient of the gradient's product with the direction. */
  readonly reverse: Graph;
  /** The tangent of the gradient along the direction. */
  readonly forward: Graph;
}

/** One site for all nodes: finding the source line of each node takes most of the tracing time. */
export const site = "random cell";

/** The loss of a random cell; its inputs are those of the cell, then the weights of its results. */
export function lossOfCell(cell: RandomCell): LossAtPoint {
  const { values, weights } = cellData(cell);
  const avals: NamedAval[] = [...cell.inputs, ...cell.results.map((aval, i) => ({ ...aval, name: `weights${i}` }))];
  return {
    avals,
    inputs: [...values, ...weights],
    moving: avals.map((_, i) => i < cell.inputs.length && moves(at(cell.inputs, i))),
    lossOf: (tensors) => cell.loss(tensors.slice(0, cell.inputs.length), tensors.slice(cell.inputs.length)),
    seed: cell.plan.seed,
  };
}

export function lossGraphs(point: LossAtPoint): LossGraphs {
  return atSite(site, () => graphsOf(point));
}

function graphsOf(point: LossAtPoint): LossGraphs {
  const { avals, inputs, moving, lossOf } = point;
  const loss = verify(traceGraph("loss", avals, (tensors) => [lossOf(tensors)]));
  const straightLoss = verify(straightened(loss, inputs));
  const straightAvals = straightLoss.inputs.map((id, i) => ({
    ...at(straightLoss.nodes, id).aval,
    name: at(avals, i).name,
  }));
  const tangents = avals.filter((_, i) => moving[i]).map((aval) => ({ ...aval, name: `${aval.name}.tangent` }));
  return {
    ...point,
    loss,
    gradient: gradientGraph("gradient", avals, moving, lossOf),
    straightLoss,
    straightGradient: gradientGraph(
      "straight",
      straightAvals,
      moving,
      (tensors) => at(inlineGraph(straightLoss, tensors), 0) as Float,
    ),
    forwardMode: verify(
      withTransposedVjps(() =>
        traceGraph("jvp", [...avals, ...tangents], (tensors) => {
          const [fixed, directions] = [tensors.slice(0, avals.length), tensors.slice(avals.length)];
          const along = jvp((moved: Float[]) => lossOf(merged(fixed, moving, moved)));
          const { value, tangent } = along([chosen(fixed, moving) as Float[]], [directions as Float[]]);
          return [value, tangent];
        }),
      ),
    ),
    second: () => atSite(site, () => secondOrder(avals, tangents, moving, lossOf)),
  };
}

function secondOrder(
  avals: readonly NamedAval[],
  tangents: readonly NamedAval[],
  moving: readonly boolean[],
  lossOf: (tensors: readonly Tensor[]) => Float,
): SecondOrder {
  type Along = (gradient: (moved: Float[]) => Float[], at: Float[], direction: Float[]) => Float[];
  const derivative = (name: string, along: Along) =>
    verify(
      traceGraph(name, [...avals, ...tangents], (tensors) => {
        const [given, direction] = [tensors.slice(0, avals.length), tensors.slice(avals.length) as Float[]];
        const gradient = (moved: Float[]) => grad((at: Float[]) => lossOf(merged(given, moving, at)))(moved);
        return along(gradient, chosen(given, moving) as Float[], direction);
      }),
    );
  return {
    reverse: derivative("reverse over reverse", (gradient, start, direction) => {
      const slope = (moved: Float[]) =>
        gradient(moved)
          .map((part, i) => sum(mul(part, at(direction, i))))
          .reduce(add);
      return grad(slope)(start);
    }),
    forward: derivative("forward over reverse", (gradient, start, direction) => {
      return withTransposedVjps(() => jvp(gradient)([start], [direction]).tangent);
    }),
  };
}

function gradientGraph(
  name: string,
  avals: readonly NamedAval[],
  moving: readonly boolean[],
  lossOf: (tensors: readonly Tensor[]) => Float,
): Graph {
  const graph = traceGraph(name, avals, (tensors) => {
    const both = valueAndGrad((moved: Float[]) => lossOf(merged(tensors, moving, moved)));
    const { value, grad } = both(chosen(tensors, moving) as Float[]);
    return [value, ...grad];
  });
  return verify(graph);
}

/** The differentiated items of a list. */
export function chosen<T>(items: readonly T[], moving: readonly boolean[]): T[] {
  return items.filter((_, i) => moving[i]);
}

/** A list with its differentiated items replaced. */
export function merged<T>(items: readonly T[], moving: readonly boolean[], moved: readonly T[]): T[] {
  let next = 0;
  return items.map((item, i) => (moving[i] ? at(moved, next++) : item));
}
