/**
 * @file What the type checker refuses: each line under an `@ts-expect-error` is an error of types, or the directive itself is
 * one. Nothing here runs; types.test.ts checks it, with all that stands beside it.
 */
import { crossEntropy } from "../../entries/losses.ts";
import { languageModel } from "../../entries/networks.ts";
import {
  adam,
  add,
  constant,
  createTrainer,
  type Device,
  div,
  equal,
  fill,
  greater,
  gru,
  iota,
  less,
  max,
  min,
  mul,
  type NdArray,
  notEqual,
  type Objective,
  objective,
  sub,
  type Tensor,
  type TensorLike,
  type Trainer,
  where,
} from "../../index.ts";

type Of<D extends Tensor["dtype"]> = Tensor<D>;

/** One dtype in all that takes two tensors; a number fits any. */
export function dtypes(f: Of<"f32">, i: Of<"i32">, u: Of<"u32">, yes: Of<"bool">, like: TensorLike): void {
  // @ts-expect-error
  add(i, f);
  // @ts-expect-error
  sub(f, i);
  // @ts-expect-error
  mul(u, i);
  // @ts-expect-error
  div(u, f);
  // @ts-expect-error
  max(i, f);
  // @ts-expect-error
  min(like, i);
  // @ts-expect-error
  less(i, f);
  // @ts-expect-error
  greater(i, f);
  // @ts-expect-error
  equal(yes, i);
  // @ts-expect-error
  notEqual(u, i);
  // @ts-expect-error
  where(yes, i, f);
  // @ts-expect-error
  add(fill([3], 1), i);
  // @ts-expect-error
  add(yes, yes);
  // @ts-expect-error
  f * f;

  const floats: readonly Of<"f32">[] = [
    add(f, f),
    add(1, f),
    add(f, 1),
    add(like, f),
    add(f, like),
    add(like, like),
    add(fill([3], 1), constant(1)),
    [f, f].reduce((a, b) => add(a, b)),
    [f, f].reduce(mul),
    where(less(f, 0), f, 0),
    where(less(0, f), 0, f),
    where(yes, 1, 0),
  ];
  const whole: readonly Of<"i32">[] = [
    add(1, i),
    mul(i, i),
    add(iota([3]), 1),
    add(fill([3], 1, "i32"), constant(1, "i32")),
    where(yes, 0, i),
  ];
  void [floats, whole];
}

/** A function of any number type goes on to be one. */
export function generic<D extends "f32" | "i32">(a: Tensor<D>, b: Tensor<D> | number): readonly Tensor<D>[] {
  return [add(a, b), mul(b, a), where(less(a, b), a, b)];
}

/** A trainer's batches are typed by what its objective reads. */
export async function batches(device: Device, xs: NdArray, c: NdArray): Promise<readonly Trainer<Objective>[]> {
  const named = objective("o", { xs: { dtype: "f32", shape: ["B", 3] }, c: { dtype: "i32", shape: ["B"] } }, (batch) =>
    crossEntropy(batch.xs, batch.c),
  );
  const trainer = await createTrainer(device, named);
  trainer.step({ inputs: { xs, c }, fresh: true });
  trainer.evaluate([{ inputs: { xs, c } }]);
  // @ts-expect-error
  trainer.step({ inputs: { xz: xs, c } });
  // @ts-expect-error
  trainer.step({ inputs: { xs } });
  // @ts-expect-error
  trainer.step({ inputs: { xs, c, more: c } });
  // @ts-expect-error
  trainer.step({ x: xs, targets: c });
  // @ts-expect-error
  trainer.step({ inputs: { xs, c }, frsh: true });
  // @ts-expect-error
  trainer.evaluate([{ inputs: { xs } }]);
  // @ts-expect-error
  trainer.profile({ inputs: { xs } });
  // @ts-expect-error
  trainer.step({ inputs: { xs: [[1, 2, 3]], c } });
  // @ts-expect-error
  objective("o", { xs: { dtype: "float32", shape: ["B", 3] } }, () => constant(0));
  // @ts-expect-error
  objective("o", { xs: { dtype: "f32", shape: ["B", 3] } }, ({ ys }) => ys);

  const network = await createTrainer(
    device,
    languageModel({ cell: gru, units: 1, layers: 1, vocabulary: 3, embed: 2 }),
  );
  network.step({ x: xs, targets: c });
  network.step({ inputs: { x: xs, targets: c } });
  // @ts-expect-error
  network.step({ x: xs });

  const paired = objective(
    "pair",
    { x: { dtype: "f32", shape: ["B", 3] }, targets: { dtype: "i32", shape: ["B"] } },
    ({ x, targets }) => crossEntropy(x, targets),
  );
  (await createTrainer(device, paired)).step({ x: xs, targets: c });
  return [trainer];
}

/** Options that there are not. */
export function options(device: Device, network: Objective): void {
  // @ts-expect-error
  createTrainer(device, network, { lr: 0.1 });
  // @ts-expect-error
  createTrainer(device, network, { optimizer: "adam" });
  // @ts-expect-error
  adam({ lr: 0.1 });
  // @ts-expect-error
  languageModel({ cell: gru, hidden: 1, layers: 1, vocabulary: 3, embed: 2 });
}
