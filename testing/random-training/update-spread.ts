/**
 * @file What rounding may do to an update where it decides which sign a gradient has.
 *
 * Rough rounding (rough-rounding.ts) finds by trying how far each element of the gradient may move. Where that is further
 * than to 0, its sign is open, and what a rule makes of it is neither smooth nor found by a few tries: Lion's sign jumps
 * at 0, and eight tries may all come out on one side; an update that is divided by the gradient's own size, as Adam's is
 * without a second average, is largest within `epsilon` of 0, where hardly a try ends. So for these elements alone the
 * rule is applied to gradients all over the range, closer and closer to 0: a rule acts on each element by itself.
 */
import { at } from "../../compiler/graph/errors.ts";
import { inputName } from "../../compiler/graph/graph.ts";
import { type NdArray, zeros } from "../../compiler/graph/ndarray.ts";
import { interpret, less, type Optimizer, type Tensor, where } from "../../index.ts";
import type { TrainingStep } from "../../train/training-step.ts";
import { roundingSpread } from "../numbers/rough-rounding.ts";

type Float = Tensor<"f32">;
type Named = Readonly<Record<string, NdArray>>;

/** Slots of a probed rule: what it takes for the gradient, and 1 where it does; then the former holds the gradient. */
const gradientSlot = "probedGradient";
const probedSlot = "isProbed";

/** Each point is half as far from 0 as the last; the nearest 4096 times nearer than rough rounding goes, or 0 itself. */
const halvings = 12;
const points: readonly number[] = [
  ...Array.from({ length: halvings + 1 }, (_, i) => 2 ** -i),
  0,
  ...Array.from({ length: halvings + 1 }, (_, i) => -(2 ** (i - halvings))),
];

/** The rule, which tells the gradient that it is given, and takes another one where it should. */
export function probed(rule: Optimizer): Optimizer {
  return {
    name: `${rule.name}, probed`,
    slots: [...rule.slots, gradientSlot, probedSlot],
    update: (input) => {
      const [instead, isProbed] = [input.slots[gradientSlot] as Float, input.slots[probedSlot] as Float];
      const gradient = where(less(0, isProbed), instead, input.gradient);
      const { parameter, slots } = rule.update({ ...input, gradient });
      return { parameter, slots: { ...slots, [gradientSlot]: input.gradient, [probedSlot]: isProbed } };
    },
  };
}

/** How far rounding may move each number that a step gives, by output. Of the step, with a probed rule; of its inputs. */
export function updateSpread({ graph, outputs, slots }: TrainingStep, inputs: Named): Named {
  const unprobed = zeros(named(inputs, "parameters").shape);
  const run = (probe: readonly [gradient: NdArray, isProbed: NdArray]) => {
    const given = { ...inputs, [`slots/${gradientSlot}`]: probe[0], [`slots/${probedSlot}`]: probe[1] };
    return graph.inputs.map((id) => named(given, inputName(graph, id)));
  };
  const plain = run([unprobed, unprobed]);
  const exact = interpret(graph, plain);
  const moved = roundingSpread(graph, plain, exact);
  const of = (values: readonly NdArray[], name: string) => at(values, outputs[name] ?? Number.NaN);
  const spread = Object.fromEntries(Object.keys(outputs).map((name) => [name, of(moved, name)]));
  const gradient = of(exact, `slots/${gradientSlot}`);
  const range = spread[`slots/${gradientSlot}`]?.data ?? [];
  const isOpen = gradient.data.map((g, k) => Number(isSignOpen(g, range[k] ?? 0)));
  if (!isOpen.includes(1)) return spread;
  const probes = points.map((point) => {
    const data = gradient.data.map((g, k) => within(point * (Math.abs(g) + (range[k] ?? 0)), g, range[k] ?? 0));
    return interpret(
      graph,
      run([
        { ...gradient, data },
        { ...gradient, data: isOpen },
      ]),
    );
  });
  for (const name of ["parameters", ...slots].filter((slot) => of(exact, slot).data.length === isOpen.length)) {
    const { data } = named(spread, name);
    for (const k of data.keys()) {
      if (isOpen[k] !== 1) continue;
      const values = probes.map((values) => of(values, name).data[k] ?? Number.NaN);
      data[k] = Math.max(data[k] ?? 0, reach(values, of(exact, name).data[k] ?? Number.NaN));
    }
  }
  return spread;
}

const isSignOpen = (gradient: number, range: number): boolean =>
  range > 0 && Number.isFinite(range) && Math.abs(gradient) <= range;

const within = (x: number, centre: number, range: number): number =>
  Math.min(centre + range, Math.max(centre - range, x));

/**
 * How far from a number a curve may come that goes through some values. Between two of them it may turn: as far as it is
 * curved in one way there, it stays on one side of the lines through the values to the left and through those to the right.
 */
export function reach(values: readonly number[], from: number): number {
  const distance = (value: number) => Math.abs(value - from);
  return values.reduce((most, value, i) => {
    const [before, next, afterNext] = [values[i - 1], values[i + 1], values[i + 2]];
    if (before === undefined || next === undefined || afterNext === undefined) return Math.max(most, distance(value));
    const between = Math.min(distance(2 * value - before), distance(2 * next - afterNext));
    return Math.max(most, distance(value), between);
  }, 0);
}

function named(record: Named, name: string): NdArray {
  const found = record[name];
  if (found === undefined) throw new Error(`there is no ${name} among ${Object.keys(record).join(", ")}`);
  return found;
}
