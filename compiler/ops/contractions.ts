/** @file Ops that combine many elements into one: matrix products, maxima, and table lookup with its transpose. */
import { type Dim, formatShape, type Shape, sameShape, sizeOf } from "../graph/dim.ts";
import { at, UserError } from "../graph/errors.ts";
import type { Aval } from "../graph/graph.ts";
import { type NdArray, sizeOfNumbers } from "../graph/ndarray.ts";
import { max32 } from "../kernel/math/numbers.ts";
import { faultOf, opOptions } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { add, cast, div } from "./elementwise.ts";
import { type ContractionEntry, type ReductionEntry, type ViewEntry, withEntry } from "./entry.ts";
import { equal } from "./logic.ts";
import {
  broadcastReduced,
  keepReduced,
  type ReductionOptions,
  reducedAval,
  reductionAxes,
  reshape,
  sum,
} from "./views.ts";

// -- reduceMax --------------------------------------------------------------------------------------------------------

const reduceMaxEntry: ReductionEntry<"reduceMax"> = {
  kind: "reduction",
  op: "reduceMax",
  aval: (operands, { axes }) => {
    const from = at(operands, 0);
    if (from.dtype !== "f32") throw new UserError(`the operand is ${from.dtype}; expected f32 (cast it)`);
    return reducedAval(from, axes);
  },
  axes: ({ axes }) => axes,
  initial: Number.NEGATIVE_INFINITY,
  combine: Math.max,
  kernel: (e, a, b) => e.call(max32, [a, b]),
  vjp: (ct, context) => {
    const [x] = context.operands;
    const { shares, axes } = maxShares(x, context.out, context.attrs.axes);
    return [context.times(broadcastReduced(ct, x.shape, axes), shares)];
  },
  jvp: ([tangent], context) => {
    if (tangent === undefined) return undefined;
    const { shares, axes } = maxShares(context.operands[0], context.out, context.attrs.axes);
    return sum(context.times(tangent, shares), axes);
  },
};

/** The derivative of a maximum is split equally among the elements that attain it. */
function maxShares(x: Tensor<"f32">, out: Tensor<"f32">, axes: readonly number[]) {
  const attains = cast(equal(x, broadcastReduced(out, x.shape, axes)), "f32");
  return { shares: div(attains, broadcastReduced(sum(attains, axes), x.shape, axes)), axes };
}

/** Maximum over `axes` (all by default). Elements that tie share its gradient equally. */
export const reduceMax = withEntry(
  (x: Tensor<"f32">, axes?: number | readonly number[], options?: ReductionOptions): Tensor<"f32"> => {
    const reduced = reductionAxes("reduceMax", x, axes, options);
    if (reduced.length === 0) return x;
    const result = emit(reduceMaxEntry, [x], { axes: reduced }) as Tensor<"f32">;
    return options?.keepAxes ? keepReduced(result, x.shape, reduced) : result;
  },
  reduceMaxEntry,
);

// -- dot --------------------------------------------------------------------------------------------------------------

/** Rows, depth and columns of a product whose operands can be read transposed. */
export function dotDims(a: Shape, b: Shape, attrs: { readonly transposeA: boolean; readonly transposeB: boolean }) {
  const [a0, a1] = [at(a, a.length - 2), at(a, a.length - 1)];
  const [b0, b1] = [at(b, b.length - 2), at(b, b.length - 1)];
  return {
    batch: a.slice(0, -2),
    m: attrs.transposeA ? a1 : a0,
    k: attrs.transposeA ? a0 : a1,
    kOfB: attrs.transposeB ? b1 : b0,
    n: attrs.transposeB ? b0 : b1,
  };
}

const dotEntry: ContractionEntry<"dot"> = {
  kind: "contraction",
  op: "dot",
  aval: (operands, attrs) => {
    const [a, b] = [at(operands, 0), at(operands, 1)];
    if (a.dtype !== "f32" || b.dtype !== "f32")
      throw new UserError(`operands are ${a.dtype} and ${b.dtype}; expected f32 (cast them)`);
    if (a.shape.length < 2 || a.shape.length !== b.shape.length) {
      throw new UserError(
        `expected two matrices, or two batches of matrices with equally many axes; got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
      );
    }
    const { batch, m, k, kOfB, n } = dotDims(a.shape, b.shape, attrs);
    if (k !== kOfB || !sameShape(batch, b.shape.slice(0, -2))) {
      const flags = `${attrs.transposeA ? ", first transposed" : ""}${attrs.transposeB ? ", second transposed" : ""}`;
      throw new UserError(
        `${formatShape(a.shape)} times ${formatShape(b.shape)}${flags}: inner sizes ${k} and ${kOfB} must be equal, and so must leading axes`,
      );
    }
    return { dtype: "f32", shape: [...batch, m, n] };
  },
  evaluate: ([a, b], attrs, shape) => evaluateDot(a as NdArray, b as NdArray, attrs, shape),
  vjp: (ct, { operands, attrs: { transposeA, transposeB } }) => {
    const [a, b] = [at(operands, 0), at(operands, 1)];
    return [
      transposeA ? dot(b, ct, { transposeA: transposeB, transposeB: true }) : dot(ct, b, { transposeB: !transposeB }),
      transposeB ? dot(ct, a, { transposeA: true, transposeB: transposeA }) : dot(a, ct, { transposeA: !transposeA }),
    ];
  },
  jvp: ([da, db], { operands, attrs }) => {
    const left = da && dot(da, at(operands, 1), attrs);
    const right = db && dot(at(operands, 0), db, attrs);
    return left && right ? add(left, right) : (left ?? right);
  },
};

/** Matrix product of the last two axes, batched over equal leading axes; the primitive under `matmul`. */
export const dot = withEntry(
  (a: Tensor, b: Tensor, flags: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor<"f32"> => {
    opOptions("dot", flags, { transposeA: "boolean", transposeB: "boolean" });
    const attrs = { transposeA: flags.transposeA ?? false, transposeB: flags.transposeB ?? false };
    return emit(dotEntry, [a, b], attrs) as Tensor<"f32">;
  },
  dotEntry,
);

function evaluateDot(
  a: NdArray,
  b: NdArray,
  { transposeA, transposeB }: { readonly transposeA: boolean; readonly transposeB: boolean },
  shape: readonly number[],
): NdArray {
  const [m, n] = [at(shape, shape.length - 2), at(shape, shape.length - 1)];
  const k = at(a.shape, a.shape.length - (transposeA ? 2 : 1));
  const batches = sizeOfNumbers(shape.slice(0, -2));
  const data = new Float64Array(batches * m * n);
  const [aRow, aDepth] = transposeA ? [1, m] : [k, 1];
  const [bDepth, bColumn] = transposeB ? [1, k] : [n, 1];
  for (let batch = 0; batch < batches; batch++) {
    for (let row = 0; row < m; row++) {
      for (let depth = 0; depth < k; depth++) {
        const left = a.data[batch * m * k + row * aRow + depth * aDepth] ?? 0;
        const start = batch * k * n + depth * bDepth;
        const out = (batch * m + row) * n;
        for (let column = 0; column < n; column++) {
          data[out + column] = (data[out + column] ?? 0) + left * (b.data[start + column * bColumn] ?? 0);
        }
      }
    }
  }
  return { dtype: "f32", shape, data };
}

/**
 * Matrix product: the last axis of `a` with the second to last of `b`. A matrix `b` is used for all leading axes of
 * `a`; otherwise the leading axes must be equal.
 */
export function matmul(a: Tensor<"f32">, b: Tensor<"f32">): Tensor<"f32"> {
  const isVector = a.shape.length === 1;
  if (a.shape.length === 0 || b.shape.length < 2 || (isVector && b.shape.length > 2)) {
    throw faultOf(
      "matmul",
      `expected a vector times a matrix, or matrices times matrices; got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
    );
  }
  if (isVector) return reshape(dot(reshape(a, [1, ...a.shape]), b), b.shape.slice(1));
  if (b.shape.length !== 2 || a.shape.length === 2) return dot(a, b);
  const rows = sizeOf(a.shape.slice(0, -1));
  const flat = dot(reshape(a, [rows, at(a.shape, a.shape.length - 1)]), b);
  return reshape(flat, [...a.shape.slice(0, -1), at(b.shape, 1)]);
}

// -- gather and scatterAdd --------------------------------------------------------------------------------------------

/** Rules see every operand as f32; the shape rule has checked that this one is i32 or u32. */
const indicesOf = (operand: Tensor): Tensor<"i32"> => operand as Tensor<"i32">;

const isIndex = (aval: Aval) => aval.dtype === "i32" || aval.dtype === "u32";

const gatherEntry: ViewEntry<"gather"> = {
  kind: "view",
  op: "gather",
  aval: (operands) => {
    const [table, indices] = [at(operands, 0), at(operands, 1)];
    if (!isIndex(indices)) throw new UserError(`indices are ${indices.dtype}; expected i32 or u32 (cast them)`);
    if (typeof table.shape[0] !== "number")
      throw new UserError(`expected a table with a known number of rows, got ${formatShape(table.shape)}`);
    const shape = [...indices.shape, ...table.shape.slice(1)];
    if (table.shape[0] === 0 && sizeOf(shape) !== 0)
      throw new UserError(`a table of ${formatShape(table.shape)} has no rows; give it at least one`);
    return { dtype: table.dtype, shape };
  },
  locate: ({ arithmetic: m, index, operands, load }) => {
    const rank = at(operands, 1).length;
    const last = m.dim(Number(at(at(operands, 0), 0)) - 1);
    return [{ operand: 0, index: [m.min(load(1, index.slice(0, rank)), last), ...index.slice(rank)] }];
  },
  vjp: (ct, { operands }) => [scatterAdd(at(operands, 1), ct, Number(at(operands, 0).shape[0]))],
  jvp: ([tangent], { operands }) => tangent && gather(tangent, indicesOf(operands[1])),
};

/**
 * Rows of a table [V, …r] at indices [...i], with result [...i, …r]: an embedding lookup. Indices past the end read the
 * last row, so check them first. The derivative is the deterministic `scatterAdd`.
 */
export const gather = withEntry(
  <D extends DType32>(table: Tensor<D>, indices: Tensor<"i32"> | Tensor<"u32">): Tensor<D> => {
    return emit(gatherEntry, [table, indices], {}) as Tensor<D>;
  },
  gatherEntry,
);

type DType32 = "f32" | "i32" | "u32" | "bool";

const scatterAddEntry: ContractionEntry<"scatterAdd"> = {
  kind: "contraction",
  op: "scatterAdd",
  aval: (operands, { rows }) => {
    const [indices, updates] = [at(operands, 0), at(operands, 1)];
    const leading: readonly Dim[] = updates.shape.slice(0, indices.shape.length);
    if (!Number.isInteger(rows) || rows < 1) throw new UserError(`rows are ${rows}; expected a whole number above 0`);
    if (!isIndex(indices) || updates.dtype !== "f32") {
      throw new UserError(`indices are ${indices.dtype} and updates ${updates.dtype}; expected i32 or u32, and f32`);
    }
    if (!sameShape(leading, indices.shape)) {
      throw new UserError(
        `updates ${formatShape(updates.shape)} must start with the shape of the indices ${formatShape(indices.shape)}`,
      );
    }
    return { dtype: "f32", shape: [rows, ...updates.shape.slice(indices.shape.length)] };
  },
  evaluate: ([indices, updates], { rows }, shape) => {
    const width = sizeOfNumbers(shape.slice(1));
    const data = new Float64Array(rows * width);
    for (const [i, index] of (indices as NdArray).data.entries()) {
      const row = Math.min(index >>> 0, rows - 1);
      for (let column = 0; column < width; column++) {
        data[row * width + column] =
          (data[row * width + column] ?? 0) + ((updates as NdArray).data[i * width + column] ?? 0);
      }
    }
    return { dtype: "f32", shape, data };
  },
  vjp: (ct, { operands }) => [undefined, gather(ct, indicesOf(operands[0]))],
  jvp: ([, tangent], { operands, attrs }) => tangent && scatterAdd(at(operands, 0), tangent, attrs.rows),
};

/** Adds updates [...i, …r] to `rows` rows of zeros at indices [...i], in a fixed order. */
export const scatterAdd = withEntry((indices: Tensor, updates: Tensor, rows: number): Tensor<"f32"> => {
  return emit(scatterAddEntry, [indices, updates], { rows }) as Tensor<"f32">;
}, scatterAddEntry);
