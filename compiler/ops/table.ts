/**
 * @file The table of ops. The mapped type makes the checker name an op whose entry is missing; scan and its results
 * are control flow and have a file of their own.
 */
import type { OpName } from "../graph/graph.ts";
import { dot, gather, reduceMax, scatterAdd } from "./contractions.ts";
import * as e from "./elementwise.ts";
import type { OpEntry } from "./entry.ts";
import * as l from "./logic.ts";
import { concat, pad, slice } from "./pieces.ts";
import { constantOp, dimSize, inputOp, iota } from "./sources.ts";
import * as t from "./transcendental.ts";
import { broadcastAxes, reshape, sum, transpose } from "./views.ts";

export type TableOp = Exclude<OpName, "scan" | "result">;

export const opTable: { readonly [K in TableOp]: OpEntry<K> } = {
  input: inputOp.entry,
  constant: constantOp.entry,
  iota: iota.entry,
  dimSize: dimSize.entry,
  neg: e.neg.entry,
  exp: t.exp.entry,
  expm1: t.expm1.entry,
  erf: t.erf.entry,
  log: t.log.entry,
  log1p: t.log1p.entry,
  sqrt: t.sqrt.entry,
  abs: e.abs.entry,
  sin: t.sin.entry,
  cos: t.cos.entry,
  tanh: t.tanh.entry,
  sigmoid: t.sigmoid.entry,
  softplus: t.softplus.entry,
  floor: e.floor.entry,
  not: e.not.entry,
  finite: l.finite.entry,
  stopGradient: l.stopGradient.entry,
  cast: e.cast.entry,
  add: e.add.entry,
  sub: e.sub.entry,
  mul: e.mul.entry,
  div: e.div.entry,
  min: e.min.entry,
  max: e.max.entry,
  less: e.less.entry,
  equal: l.equal.entry,
  and: l.and.entry,
  or: l.or.entry,
  where: l.where.entry,
  randomBits: l.randomBits.entry,
  reshape: reshape.entry,
  transpose: transpose.entry,
  broadcast: broadcastAxes.entry,
  slice: slice.entry,
  pad: pad.entry,
  concat: concat.entry,
  gather: gather.entry,
  sum: sum.entry,
  reduceMax: reduceMax.entry,
  dot: dot.entry,
  scatterAdd: scatterAdd.entry,
};

/**
 * The entry of an op, with its attribute type widened: TypeScript cannot carry "the attributes of *this* node" through
 * a lookup by a union of names, so callers pass a node's own attributes back to its own entry.
 */
export function entryOf(op: TableOp): OpEntry<TableOp> {
  return opTable[op] as OpEntry<TableOp>;
}
