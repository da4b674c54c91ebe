/**
 * @file The states of a diagonal group, whose next values are any functions of the states at the same position, by
 * Newton's method over the whole sequence (Lim et al. 2024, "Parallelizing non-linear sequential models over the sequence
 * length"; Danieli et al. 2023, "DeepPCR"). A round linearises every step at the states of the round before,
 *
 *   s_t = J_t s_(t-1) + (f_t(g_(t-1)) - J_t g_(t-1)),      g: the states of the round before, J_t: f_t' at g_(t-1)
 *
 * which is affine, and is solved for all steps at once. Each round makes at least one more step exact, and where the
 * states forget their past, a few make all of them so. Whether they did is tested: the last states must follow from each
 * other.
 */
import { jvp } from "../autodiff/gradient.ts";
import { at } from "../graph/errors.ts";
import type { NodeId, ScanAttrs } from "../graph/graph.ts";
import { reduceMax } from "../ops/contractions.ts";
import { abs, add, less, mul, sub } from "../ops/elementwise.ts";
import { or, where } from "../ops/logic.ts";
import { broadcastAxes, fill, zerosLike } from "../ops/views.ts";
import type { AllSteps } from "../passes/all-steps.ts";
import type { Tensor } from "../trace/tensor.ts";
import type { CarryMap } from "./carry-maps.ts";
import type { ChunksOfTime } from "./chunks-of-time.ts";
import { parallelStates } from "./parallel-states.ts";

type Float = Tensor<"f32">;

/** Rounds before the test. */
const rounds = 5;
/** How far a state may be from what follows from the one before, relative to 1 and its size: some roundings in f32. */
const tolerance = 4e-6;

export interface NewtonRequest {
  readonly attrs: ScanAttrs;
  /** The next values of the group's carries, in the body. */
  readonly next: readonly NodeId[];
  /** The values of all steps if the carries of the group are given. */
  readonly stepsAt: (states: readonly Float[]) => AllSteps;
  readonly initial: readonly Float[];
  readonly chunks: ChunksOfTime;
}

export interface NewtonStates {
  /** Before and after each step, [T, ..], for each carry. */
  readonly sequences: readonly { readonly before: Float; readonly after: Float }[];
  /** Whether the rounds were too few: a scalar. */
  readonly fails: Tensor<"bool">;
}

export function newtonStates({ attrs, next, stepsAt, initial, chunks }: NewtonRequest): NewtonStates {
  const { body, length, reverse } = attrs;
  const timed = (x: Float) =>
    broadcastAxes(
      x,
      [length, ...x.shape],
      x.shape.map((_, axis) => axis + 1),
    );
  const nextAt = (states: readonly Float[]): Float[] => {
    const steps = stepsAt(states);
    return next.map((id) => steps.of(id) as Float);
  };
  let sequences = initial.map((x) => ({ before: timed(x), after: timed(x) }));
  let overflows: Tensor<"bool"> | undefined;
  for (let round = 0; round < rounds; round++) {
    const before = sequences.map((sequence) => sequence.before);
    const map = linearised(nextAt, before);
    const solved = parallelStates({ map, initial, chunks, reverse, name: `${body.name}.${round + 1}` });
    overflows = solved.overflows;
    sequences = solved.states.map(({ starts, ends }, i) => {
      const { shape } = at(initial, i);
      const unpadded = (x: Tensor) => chunks.unpadded(x, shape) as Float;
      return { before: unpadded(chunks.before(starts, ends, reverse)), after: unpadded(ends) };
    });
  }
  const expected = nextAt(sequences.map(({ before }) => before));
  const misses = sequences.map(({ after }, i) => {
    const right = at(expected, i);
    const isNear = less(abs(sub(after, right)), mul(tolerance, add(1, abs(right))));
    const all = after.shape.map((_, axis) => axis);
    return less(0, reduceMax(where(isNear, zerosLike(after), 1), all));
  });
  const fails = [...misses, ...(overflows === undefined ? [] : [overflows])].reduce(or);
  return { sequences, fails };
}

/** The affine map of every step at some states: the derivative by each state, and what is left. */
function linearised(nextAt: (states: readonly Float[]) => Float[], states: readonly Float[]): CarryMap {
  const values = nextAt(states);
  const columns = states.map((_, j) => {
    const tangents = states.map((state, i) => fill(state.shape, i === j ? 1 : 0));
    return jvp((...primals: Float[]) => nextAt(primals))(states, tangents).tangent;
  });
  const matrix = values.map((_, i) => columns.map((column) => at(column, i)));
  const offset = values.map((value, i) =>
    states.reduce((rest, state, j) => sub(rest, mul(at(at(matrix, i), j), state)), value),
  );
  return { kind: "sum", matrix, offset };
}
