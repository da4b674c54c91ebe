/**
 * @file A loop as a graph without a long loop, if every group of its carries is a delay, affine, or a maximum of sums:
 * states are computed for all steps by parallel-states.ts, one group after another, and everything else that the step
 * computes follows for all steps at once.
 */
import { at } from "../graph/errors.ts";
import { type Graph, type NodeId, nodeAt, type ScanAttrs } from "../graph/graph.ts";
import { where } from "../ops/logic.ts";
import { slice } from "../ops/pieces.ts";
import { bodyInputs } from "../ops/scan.ts";
import { broadcastAxes, reshape, zerosLike } from "../ops/views.ts";
import { AllSteps, reasonAgainstAllSteps } from "../passes/all-steps.ts";
import { removeDead } from "../passes/dead.ts";
import { emitPart, placesOf } from "../passes/part-of-loop.ts";
import { simplify } from "../passes/simplify.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { carryForms, type GroupForm } from "./carry-forms.ts";
import type { CarryGroup } from "./carry-groups.ts";
import { carryMap, type MapKind } from "./carry-maps.ts";
import { ChunksOfTime } from "./chunks-of-time.ts";
import { newtonStates } from "./newton-states.ts";
import { delayedStates, parallelStates } from "./parallel-states.ts";

type Float = Tensor<"f32">;

/** Carries of a block; the maps of larger ones have too many numbers per position. */
const mostInBlock = 3;

const kinds: Readonly<Partial<Record<GroupForm["form"], MapKind>>> = {
  affine: "sum",
  blocks: "sum",
  "max-plus": "max",
  "min-plus": "min",
};

/**
 * Why a loop cannot be computed in parallel over time, or undefined. With `newton`, states that are diagonal can be too,
 * by Newton's method.
 */
export function reasonAgainstParallel(attrs: ScanAttrs, newton = false): string | undefined {
  const { body } = attrs;
  for (const { carries, form, cause } of carryForms(attrs)) {
    const names = carries.map((carry) => `carry ${carry}`).join(", ");
    if (cause !== undefined && !(newton && form === "diagonal"))
      return `${names} ${carries.length === 1 ? "is" : "are"} ${form} because of ${cause.op}${cause.site === undefined ? "" : `, ${cause.site}`}`;
    if (form === "delayed") continue;
    if (carries.length > mostInBlock) return `${names} depend on each other, and are more than ${mostInBlock}`;
    const other = carries.map((carry) => nodeAt(body, at(body.outputs, carry)).aval.dtype).find((d) => d !== "f32");
    if (other !== undefined) return `${names} has dtype ${other}`;
  }
  return reasonAgainstAllSteps(attrs);
}

/** A loop as a graph. */
export interface ParallelScan {
  /**
   * (operands…) -> (final carries…, ys…, and for each of `fallbacks` its condition and a result of its scan). Requires
   * at least one step.
   */
  readonly graph: Graph;
  /**
   * Loops over all steps whose results are read only if a map overflows, or if Newton's method has not converged: the
   * condition is a scalar, the scan computes what the parallel one would have.
   */
  readonly fallbacks: readonly Fallback[];
}

export interface Fallback {
  readonly condition: NodeId;
  readonly scan: NodeId;
}

/** The loop in chunks of `steps` steps. There must be no `reasonAgainstParallel`. */
export function parallelScan(attrs: ScanAttrs, steps: number): ParallelScan {
  const { body, length } = attrs;
  const frame = new Frame(body.name);
  let fallbacks = 0;
  const traced = within(frame, () => {
    const operands = body.inputs.map((id, i) => {
      const { dtype, shape } = nodeAt(body, id).aval;
      const isX = i >= attrs.consts + attrs.carries;
      return frame.input(`operand${i}`, { dtype, shape: isX ? [length, ...shape] : shape });
    });
    const walk = new ParallelWalk(attrs, operands, steps);
    const outputs = walk.results();
    fallbacks = walk.fallbacks.length;
    return frame.finish(
      operands.map(({ id }) => id),
      [...outputs, ...walk.fallbacks.flat()],
    );
  });
  const graph = removeDead(simplify(traced));
  const extra = graph.outputs.slice(body.outputs.length);
  return {
    graph,
    fallbacks: Array.from({ length: fallbacks }, (_, i) => {
      const [condition, result] = [at(extra, 2 * i), at(extra, 2 * i + 1)];
      return { condition, scan: at(nodeAt(graph, result).operands, 0) };
    }),
  };
}

/** The states of a carry in all steps, [T, ..]. */
interface Sequence {
  readonly before: Tensor;
  readonly after: Tensor;
}

/** Emits the states of one group after another, and then everything that follows from them. */
class ParallelWalk {
  /** Conditions, each with a result of the loop that runs if it holds. */
  readonly fallbacks: [Tensor, Tensor][] = [];
  readonly #attrs: ScanAttrs;
  readonly #operands: Tensor[];
  readonly #steps: number;
  readonly #all: AllSteps;
  /** Keyed by carry. */
  readonly #sequences = new Map<number, Sequence>();

  constructor(attrs: ScanAttrs, operands: readonly Tensor[], steps: number) {
    this.#attrs = attrs;
    this.#operands = [...operands];
    this.#steps = steps;
    this.#all = new AllSteps(attrs, operands);
  }

  /** Final carries, then ys. */
  results(): Tensor[] {
    const { body, carries, reverse } = this.#attrs;
    const inputs = bodyInputs(this.#attrs).carries;
    for (const { carries: group, form } of carryForms(this.#attrs)) {
      for (const [i, sequence] of this.#statesOf(group, form).entries()) {
        this.#sequences.set(at(group, i), sequence);
        this.#all.know(at(inputs, at(group, i)), sequence.before);
      }
    }
    // A state after a step is read from its sequence, not computed from the state before.
    for (const [carry, { after }] of this.#sequences) this.#all.know(at(body.outputs, carry), after);
    return body.outputs.map((id, i) => {
      const values = this.#all.of(id);
      return i < carries ? reshape(slice(values, 0, reverse ? 0 : -1, 1), values.shape.slice(1)) : values;
    });
  }

  /** The values of all steps, with given states of a group. */
  #stepsWith(group: CarryGroup, states: readonly Tensor[]): AllSteps {
    const inputs = bodyInputs(this.#attrs).carries;
    const steps = new AllSteps(this.#attrs, this.#operands);
    for (const [carry, { before }] of this.#sequences) steps.know(at(inputs, carry), before);
    for (const [i, carry] of group.entries()) steps.know(at(inputs, carry), at(states, i));
    return steps;
  }

  #statesOf(group: CarryGroup, form: GroupForm["form"]): Sequence[] {
    const { body, consts, length, reverse } = this.#attrs;
    const initial = group.map((carry) => at(this.#operands, consts + carry));
    const chunks = new ChunksOfTime(length, this.#steps, at(initial, 0).shape);
    if (form === "diagonal") {
      const next = group.map((carry) => at(body.outputs, carry));
      const stepsAt = (states: readonly Tensor[]) => this.#stepsWith(group, states);
      const request = { attrs: this.#attrs, next, stepsAt, initial: initial as Float[], chunks };
      const { sequences, fails } = newtonStates(request);
      return this.#orOneByOne(group, sequences, fails);
    }
    const kind = kinds[form];
    const request = { initial, chunks, reverse, name: body.name };
    const { states, overflows } =
      kind === undefined
        ? delayedStates(this.#all.of(at(body.outputs, at(group, 0))), request)
        : parallelStates({ ...request, map: carryMap(this.#attrs, group, this.#all, kind) });
    const sequences = states.map(({ starts, ends }, i) => {
      const { shape } = at(initial, i);
      const before = chunks.unpadded(chunks.before(starts, ends, reverse), shape);
      return { before, after: chunks.unpadded(ends, shape) };
    });
    return overflows === undefined ? sequences : this.#orOneByOne(group, sequences, overflows);
  }

  /** Sequences of a group, or if a condition holds, those of a loop over all steps. */
  #orOneByOne(group: CarryGroup, sequences: readonly Sequence[], fails: Tensor<"bool">): Sequence[] {
    const { body, consts } = this.#attrs;
    const places = placesOf(this.#attrs);
    const known = [...this.#sequences.keys()];
    // The loop starts from the condition, so that it comes after it.
    const ifNeeded = (x: Tensor) => where(broadcastAxes(fails, x.shape, []), x, zerosLike(x));
    const operands = this.#operands.map((operand, i) =>
      group.includes(i - consts) ? ifNeeded(operand) : (this.#sequences.get(i - consts)?.before ?? operand),
    );
    const { ys } = emitPart(
      { ...this.#attrs, body: { ...body, name: `${body.name}.fallback` } },
      operands,
      {
        consts: places.consts,
        carries: group.map((carry) => consts + carry),
        xs: [...places.xs, ...known.map((carry) => consts + carry)],
      },
      group.flatMap((carry) => [at(bodyInputs(this.#attrs).carries, carry), at(body.outputs, carry)]),
    );
    this.fallbacks.push([fails, at(ys, 0)]);
    return sequences.map(({ before, after }, i) => {
      const either = (parallel: Tensor, oneByOne: Tensor) =>
        where(broadcastAxes(fails, parallel.shape, []), oneByOne, parallel);
      return { before: either(before, at(ys, 2 * i)), after: either(after, at(ys, 2 * i + 1)) };
    });
  }
}
