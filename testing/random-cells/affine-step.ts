/** @file Writes the next states of a plan of affine-plans.ts: maps of the states that compose, by construction. */
import { at } from "../../compiler/graph/errors.ts";
import { type Instruction, type StepInProgress, widthOf } from "./instructions.ts";
import type { Argument, DslName, Value } from "./source-writer.ts";

/** How the next values of a group are combined: as sums of multiples, or as the larger or the smaller of sums. */
export type GroupKind = "sum" | "max" | "min";

/** States of one shape that may read each other. */
export interface AffineGroup {
  readonly kind: GroupKind;
  readonly shape: readonly number[];
  readonly states: number;
  /** What its gates are computed by, from x and from the states of the groups before it. */
  readonly gates: readonly Instruction[];
  /** What its next values are computed by, from its states and from those gates. */
  readonly next: readonly Instruction[];
}

/** What makes the next value of a state no map that composes, and the op that is to be blamed for it. */
export const flaws = ["tanh", "less", "mul", "abs", "slice", "sum", "max"] as const;
export type Flaw = (typeof flaws)[number];

export interface AffinePlan {
  readonly groups: readonly AffineGroup[];
  readonly flaw?: Flaw;
}

/** A map of the states of a group: |value| <= gain · (the largest state) + offset. */
interface Mapped {
  readonly value: Value;
  readonly gain: number;
  readonly offset: number;
}

/** What is added to a state in one step, at most: T steps add T times as much. */
const mostAdded = 4;

/** The bound of a state of an affine group after some steps, from states within `initial`. */
export function affineBound(initial: number, time: number): number {
  return initial + mostAdded * time;
}

/** The next values of a group's states. The step's pool has the values that read no state of the group. */
export function nextOfGroup(
  step: StepInProgress,
  { kind, next }: AffineGroup,
  states: readonly Value[],
  flaw: Flaw | undefined,
): Value[] {
  const maps: Mapped[] = states.map((value) => ({ value, gain: 1, offset: 0 }));
  const group = new Maps(step, at(states, 0));
  const rules = kind === "sum" ? sums : extrema;
  for (const instruction of next) {
    const [a, b] = [instruction.a, instruction.b].map((i) => at(maps, maps.length - 1 - (i % maps.length))) as [
      Mapped,
      Mapped,
    ];
    maps.push(at(rules, instruction.kind % rules.length)(group, a, b, instruction, kind));
  }
  return states.map((state, i) => {
    const last = at(maps, Math.max(0, maps.length - 1 - i));
    if (i > 0 || flaw === undefined) return group.settled(last, kind).value;
    // A part of the state itself, so that what is spoiled is the state's own next value.
    const own = group.sum("add", last, group.scaled({ value: state, gain: 1, offset: 0 }, 0.25));
    return group.settled(group.flawed(group.settled(own, kind), state, flaw), kind).value;
  });
}

type MapRule = (group: Maps, a: Mapped, b: Mapped, instruction: Instruction, kind: GroupKind) => Mapped;

const sums: readonly MapRule[] = [
  (group, a, b) => group.sum("add", a, b),
  (group, a, b) => group.sum("sub", a, b),
  (group, a, _, { c, n }) => group.multiplied(a, group.gate(c, n), n),
  (group, a, _, { c, n }) => group.multiplied(a, group.gate(c, n), n),
  (group, a, _, { c }) => group.sum("add", a, group.free(c)),
  (group, a, _, { c }) => group.sum("sub", group.free(c), a),
  (group, a, _, { c, n }) => group.divided(a, group.gate(c, n)),
  (group, a, b, { c, n }) => group.choice(c, n, a, b),
  (group, a, _, { b, c, n }) => group.choice(c, n, a, group.free(b)),
  (group, a) => group.negated(a),
  (group, a) => group.scaled(a, 0.5),
  (group, a) => group.reshaped(a),
];

/** Sums of one state, and the larger or smaller of any. */
const extrema: readonly MapRule[] = [
  (group, a, _, { c }) => group.sum("add", a, group.free(c)),
  (group, a, _, { c }) => group.sum("add", group.free(c), a),
  (group, a, _, { c }) => group.sum("sub", a, group.free(c)),
  (group, a, b, _, kind) => group.extremum(kind, a, b),
  (group, a, _, { c }, kind) => group.extremum(kind, a, group.free(c)),
  (group, a, _, { b, c, n }) => group.choice(c, n, group.sum("add", a, group.free(b)), a),
  (group, a, _, { b, c, n }) => group.choice(c, n, a, group.free(b)),
];

/** Maps of states of one shape. */
class Maps {
  readonly #step: StepInProgress;
  readonly #like: Value;

  constructor(step: StepInProgress, like: Value) {
    this.#step = step;
    this.#like = like;
  }

  /** A value of the pool in the states' shape, at most 1/2. */
  free(index: number): Mapped {
    const value = this.#step.limited(this.#picked(index), 0.5);
    return { value, gain: 0, offset: 0.5 };
  }

  /** A factor within ±1. */
  gate(index: number, n: number): Value {
    return this.#step.writer.call(n % 2 === 0 ? "sigmoid" : "tanh", [this.#picked(index)], 1);
  }

  sum(name: "add" | "sub", a: Mapped, b: Mapped): Mapped {
    return this.#made(name, [a.value, b.value], a.gain + b.gain, a.offset + b.offset);
  }

  multiplied({ value, gain, offset }: Mapped, gate: Value, n: number): Mapped {
    return this.#made("mul", n % 3 === 0 ? [gate, value] : [value, gate], gain, offset);
  }

  divided({ value, gain, offset }: Mapped, gate: Value): Mapped {
    const below = this.#step.writer.call("add", [gate, 2], 3);
    return this.#made("div", [value, below], gain, offset);
  }

  choice(condition: number, n: number, a: Mapped, b: Mapped): Mapped {
    const { writer } = this.#step;
    const isTrue = writer.call(n % 2 === 0 ? "less" : "greater", [this.#picked(condition), 0.1 * (n % 5)], 1);
    return this.#made("where", [isTrue, a.value, b.value], Math.max(a.gain, b.gain), Math.max(a.offset, b.offset));
  }

  negated({ value, gain, offset }: Mapped): Mapped {
    return this.#made("neg", [value], gain, offset);
  }

  scaled({ value, gain, offset }: Mapped, factor: number): Mapped {
    return this.#made("mul", [value, factor], gain * factor, offset * factor);
  }

  extremum(kind: GroupKind, a: Mapped, b: Mapped): Mapped {
    const name = kind === "min" ? "min" : "max";
    return this.#made(name, [a.value, b.value], Math.max(a.gain, b.gain), Math.max(a.offset, b.offset));
  }

  /** There and back again through a view that adds an axis of one entry. */
  reshaped({ value, gain, offset }: Mapped): Mapped {
    const { writer, batch } = this.#step;
    const inner = value.tensor.shape.slice(1).map(Number);
    const wider = writer.call("reshape", [value, [batch, 1, ...inner]], value.bound);
    return this.#made("reshape", [wider, [batch, ...inner]], gain, offset);
  }

  /** A map that neither grows nor adds more than it may; maxima of sums do neither, since they are not multiplied. */
  settled(map: Mapped, kind: GroupKind): Mapped {
    const most = Math.max(map.gain, map.offset / mostAdded);
    return most <= 1 || kind !== "sum" ? map : this.scaled(map, 2 ** -Math.ceil(Math.log2(most)));
  }

  /** The map, after an op that no longer lets it compose; it adds no more than before. */
  flawed(map: Mapped, state: Value, flaw: Flaw): Mapped {
    const { writer } = this.#step;
    const { value, gain, offset } = map;
    const bounded = (by: Value): Mapped => ({ value: by, gain: Math.max(1, gain), offset: Math.max(1, offset) });
    switch (flaw) {
      case "tanh":
        return bounded(writer.call("tanh", [value], 1));
      case "less":
        return bounded(writer.call("where", [writer.call("less", [value, 0.1], 1), value, 0.3], value.bound));
      case "mul":
        return bounded(writer.call("mul", [value, this.#inUnit(state)], value.bound));
      case "abs":
        return bounded(writer.call("abs", [value], value.bound));
      case "slice": {
        const width = widthOf(value);
        const [first, rest] = [
          writer.call("slice", [value, 1, 0, 1], value.bound),
          writer.call("slice", [value, 1, 1, width - 1], value.bound),
        ];
        return bounded(writer.call("concat", [[rest, first]], value.bound));
      }
      case "sum": {
        const mean = writer.call("mean", [value, 1, { keepAxes: true }], value.bound);
        return bounded(
          writer.call("add", [this.scaled(map, 0.5).value, writer.call("mul", [mean, 0.5], value.bound)], value.bound),
        );
      }
      case "max": {
        const half = this.scaled(map, 0.5).value;
        return bounded(writer.call("max", [half, 0.1], value.bound));
      }
    }
  }

  /** The state divided by its bound: a product of it with itself does not grow. */
  #inUnit(state: Value): Value {
    return this.#step.writer.call("mul", [state, 1 / state.bound], 1);
  }

  #picked(index: number): Value {
    const { pool } = this.#step;
    const value = this.#step.pick(pool.length - 1 - (index % pool.length));
    return this.#step.fit(value, this.#like.tensor.shape.slice(1));
  }

  #made(name: DslName, args: readonly Argument[], gain: number, offset: number): Mapped {
    const value = this.#step.writer.call(name, args, gain * this.#like.bound + offset);
    return { value, gain, offset };
  }
}
