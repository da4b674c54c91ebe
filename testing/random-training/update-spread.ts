/**
 * @file The effect of rounding on an update if it can change the sign of a gradient.
 *
 * Rough rounding (rough-rounding.ts) measures how much rounding can change each element of the gradient. If the range
 * includes 0, the sign is undetermined, and a few samples do not show the possible updates: Lion's sign jumps at 0, and
 * eight samples can all be on one side; an update divided by the gradient's magnitude, such as Adam's without a second
 * average, is largest within `epsilon` of 0, which samples rarely hit. So for these elements the rule is applied to
 * gradients over the whole range, closer and closer to 0: rules are elementwise.
 */
import { at } from "../../compiler/graph/errors.ts";
import { inputName } from "../../compiler/graph/graph.ts";
import { type NdArray, zeros } from "../../compiler/graph/ndarray.ts";
import { interpret, less, type Optimizer, type Tensor, where } from "../../index.ts";
import type { TrainingStep } from "../../train/training-step.ts";
import { roundingSpread } from "../numbers/rough-rounding.ts";

type Float = Tensor<"f32">;
type Named = Readonly<Record<string, NdArray>>;

/** Slots of a probed rule. Before: the replacement gradient, and 1 where it applies. After: the former is the real gradient. */
const gradientSlot = "probedGradient";
const probedSlot = "isProbed";

/** Each point is half as far from 0 as the last, down to 1/4096 of the range of rough rounding, and 0 itself. */
const halvings = 12;
const points: readonly number[] = [
  ...Array.from({ length: halvings + 1 }, (_, i) => 2 ** -i),
  0,
  ...Array.from({ length: halvings + 1 }, (_, i) => -(2 ** (i - halvings))),
];

/** The rule, extended to report its gradient and to use a replacement gradient for probed elements. */
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

/** How much rounding can change each number of each output. The step must have a probed rule. */
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
 * The largest distance from a number that a curve through some values can reach. Between two values it can have an extremum:
 * if its curvature does not change sign there, it stays within the lines through the neighbouring pairs of values.
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
  if (found === undefined) throw new Error(`${name} is not among ${Object.keys(record).join(", ")}`);
  return found;
}
