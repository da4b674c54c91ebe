/**
 * @file The states of all steps of a group whose map is affine (or a maximum of sums), in three short loops instead of
 * one long one (Blelloch 1990, "Prefix sums and their applications", section 1.3):
 *
 *   1. compose   in every chunk of time, the maps of its steps become one map
 *   2. starts    from the first chunk to the last, one step per chunk: the state at its start
 *   3. replay    in every chunk, the states of its steps from that start
 *
 * The chunks of the first and the third loop are rows of a batch, so a device walks all of them at once. Two maps
 * compose as (A2, b2) after (A1, b1) = (A2 A1, A2 b1 + b2): nothing is divided, so decays that underflow do no harm.
 */
import type { Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { reduceMax } from "../ops/contractions.ts";
import { add, less, max, min, mul } from "../ops/elementwise.ts";
import { finite, where } from "../ops/logic.ts";
import { scanTensors } from "../ops/scan.ts";
import { broadcastAxes, fill } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import { absentIn, type CarryMap, type MapKind } from "./carry-maps.ts";
import type { ChunksOfTime } from "./chunks-of-time.ts";

type Float = Tensor<"f32">;

/** The arithmetic of each kind of map: sums of products, or maxima of sums. */
const arithmetic: Readonly<Record<MapKind, { plus: Combine; times: Combine; one: number }>> = {
  sum: { plus: add, times: mul, one: 1 },
  max: { plus: max, times: add, one: 0 },
  min: { plus: min, times: add, one: 0 },
};

type Combine = (x: Float, y: Float) => Float;

export interface StatesRequest {
  readonly map: CarryMap;
  /** The state before the first step (in reverse, the last), for each carry of the group. */
  readonly initial: readonly Tensor[];
  readonly chunks: ChunksOfTime;
  readonly reverse: boolean;
  /** The name of the loop, for reports. */
  readonly name: string;
}

/** The states of a carry in all steps. */
export interface States {
  /** Before each chunk, [count, rows, width]. */
  readonly starts: Tensor;
  /** After each step, [count * steps, rows, width]. */
  readonly ends: Tensor;
}

/** The states of a group. */
export interface ParallelStates {
  readonly states: readonly States[];
  /**
   * Whether the map of some chunk is not finite. Its states can be finite all the same, since 0 times infinity is NaN:
   * they must then be computed one step after another. Undefined if maps cannot overflow.
   */
  readonly overflows: Tensor<"bool"> | undefined;
}

/** The states of each carry of the group. */
export function parallelStates({ map, initial, chunks, reverse, name }: StatesRequest): ParallelStates {
  const steps = inChunks(map, chunks, reverse);
  const identity = identityLike(map, at(partsOf(steps), 0).shape.slice(1));
  const compose = scanTensors(
    (carries, xs) => ({ carries: partsOf(after(withParts(steps, xs), withParts(identity, carries))), ys: [] }),
    partsOf(identity),
    partsOf(steps),
    { reverse, name: `${name}.compose` },
  );
  const starts = scanTensors(
    (states, xs) => ({ carries: applied(withParts(identity, xs), states as Float[]), ys: states }),
    initial.map((state) => chunks.flat(state)),
    compose.carries.map((part) => chunks.perChunk(part as Float)),
    { reverse, name: `${name}.starts` },
  );
  const replay = scanTensors(
    (states, xs) => {
      const next = applied(withParts(steps, xs), states as Float[]);
      return { carries: next, ys: next };
    },
    starts.ys.map((state) => chunks.asRows(state as Float)),
    partsOf(steps),
    { reverse, name: `${name}.replay` },
  );
  const states = replay.ys.map((ends, i) => ({ starts: at(starts.ys, i), ends: chunks.joined(ends as Float) }));
  return { states, overflows: map.kind === "sum" ? someNotFinite(compose.carries as Float[]) : undefined };
}

/** Whether any element is not finite: a scalar. */
function someNotFinite(all: readonly Float[]): Tensor<"bool"> {
  const zero = fill(at(all, 0).shape, 0);
  const bad = all.map((x) => where(finite(x), zero, 1)).reduce((some, x) => max(some, x));
  return less(0, reduceMax(bad, [0, 1]));
}

/** The states of a carry whose next values, [T, ..], are known. */
export function delayedStates(next: Tensor, request: Omit<StatesRequest, "map">): ParallelStates {
  const { initial, chunks, reverse, name } = request;
  const first = chunks.flat(at<Tensor>(initial, 0));
  const padded = chunks.padded(next);
  // A walk from the end starts in the padding, which must then leave the state as it is.
  const everywhere = broadcastAxes(first, padded.shape, [1, 2]);
  const ends = reverse ? where(chunks.exists(), padded, everywhere) : padded;
  const { ys } = scanTensors(
    ([state], [last]) => ({ carries: [last as Tensor], ys: [state as Tensor] }),
    [first],
    [chunks.lastOfEach(ends, reverse)],
    { reverse, name: `${name}.starts` },
  );
  return { states: [{ starts: at(ys, 0), ends }], overflows: undefined };
}

/** The maps of all steps, cut. A walk from the end starts in the padding, which must then leave states as they are. */
function inChunks({ kind, matrix, offset }: CarryMap, chunks: ChunksOfTime, reverse: boolean): CarryMap {
  const { one } = arithmetic[kind];
  const absent = absentIn[kind];
  const exists = reverse ? chunks.exists() : undefined;
  const part = (x: Float | undefined, neutral: number): Float | undefined => {
    const padded = x && chunks.padded(x);
    if (exists === undefined) return padded && chunks.cut(padded);
    // An absent part is the neutral one, unless it is of a state that does not read itself.
    if (padded === undefined && neutral === absent) return undefined;
    return chunks.cut(where(exists, padded ?? fill(exists.shape, absent), neutral));
  };
  return {
    kind,
    matrix: matrix.map((row, i) => row.map((x, j) => part(x, i === j ? one : absent))),
    offset: offset.map((x) => part(x, absent)),
  };
}

/** The map that leaves every state as it is, with all its parts present. */
function identityLike({ kind, matrix }: CarryMap, shape: Shape): CarryMap {
  return {
    kind,
    matrix: matrix.map((row, i) => row.map((_, j) => fill(shape, i === j ? arithmetic[kind].one : absentIn[kind]))),
    offset: matrix.map(() => fill(shape, absentIn[kind])),
  };
}

/** The parts that are present, row by row. */
function partsOf({ matrix, offset }: CarryMap): Float[] {
  return [...matrix.flat(), ...offset].filter((x) => x !== undefined);
}

/** A map with other tensors in place of its parts. */
function withParts(map: CarryMap, parts: readonly Tensor[]): CarryMap {
  const left = [...parts];
  // The same order as that of partsOf.
  const next = () => left.shift() as Float;
  const matrix = map.matrix.map((row) => row.map((x) => x && next()));
  return { kind: map.kind, matrix, offset: map.offset.map((x) => x && next()) };
}

/** The composition of two maps: `second` after `first`, which has all its parts. */
function after(second: CarryMap, first: CarryMap): CarryMap {
  const { kind, matrix, offset } = second;
  const columns = first.matrix.map((_, j) => first.matrix.map((row) => at(row, j)));
  return {
    kind,
    matrix: matrix.map((row) => columns.map((column) => combination(kind, row, column, undefined))),
    offset: matrix.map((row, i) => combination(kind, row, first.offset, offset[i])),
  };
}

/** The states after a map. */
function applied({ kind, matrix, offset }: CarryMap, states: readonly Float[]): Float[] {
  return matrix.map((row, i) => combination(kind, row, states, offset[i]) ?? fill(at(states, i).shape, absentIn[kind]));
}

/** The sum of products of a row with values, and a last term; undefined if there is none. */
function combination(
  kind: MapKind,
  row: readonly (Float | undefined)[],
  values: readonly (Float | undefined)[],
  last: Float | undefined,
): Float | undefined {
  const { plus, times } = arithmetic[kind];
  const products = row.map((x, j) => {
    const value = values[j];
    return x === undefined || value === undefined ? undefined : times(x, value);
  });
  return [...products, last].reduce(
    (sum, x) => (sum === undefined || x === undefined ? (sum ?? x) : plus(sum, x)),
    undefined,
  );
}
