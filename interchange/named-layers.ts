/** @file Layers of a file by the paths of their tensors: their order from the input, and the dense layer after them. */
import { at } from "../compiler/graph/errors.ts";
import { zeros } from "../compiler/graph/ndarray.ts";
import { quote, type TensorBag } from "./tensor-bag.ts";

/** A recurrent layer, by its path. */
export interface NamedLayer {
  readonly name: string;
}

/** What shows the order of layers besides their names. */
export interface OrderEvidence<Layer> {
  /** Whether the width of its input is that of the outputs of its kind, so that it can follow one. */
  readonly readsItsOwn: (layer: Layer) => boolean;
  /** What else can be done if nothing shows the order: the end of a sentence. */
  readonly elsewhere?: string;
}

/** The layers in order from the input: as named by the option, or if only one order is possible. */
export function inOrder<Layer extends NamedLayer>(
  bag: TensorBag,
  found: readonly Layer[],
  asked: readonly string[] | undefined,
  { readsItsOwn, elsewhere = "" }: OrderEvidence<Layer>,
): { readonly layers: readonly Layer[]; readonly assumed: readonly string[] } {
  const names = found.map(({ name }) => name).join(", ");
  if (asked !== undefined) {
    const layers = asked.map((name) => {
      const [layer, another] = found.filter((each) => `/${each.name}`.endsWith(`/${name}`));
      return layer === undefined || another !== undefined
        ? bag.fail(
            `${another ? "several recurrent layers are" : "no recurrent layer is"} called ${quote(name)}; it has ${names}`,
          )
        : layer;
    });
    return { layers, assumed: [] };
  }
  if (found.length < 2) return { layers: found, assumed: [] };
  const numbers = new Set(found.map(({ name }) => /_?\d*$/.exec(name)?.[0]));
  const stems = new Set(found.map(({ name }) => name.replace(/_?\d*$/, "")));
  const says = (how: string) => `the layers are ordered by ${how}: ${names}; set another order with the option layers`;
  if (stems.size === 1 && numbers.size === found.length) return { layers: found, assumed: [says("their numbers")] };
  // A layer whose input width differs from the outputs of its kind can only be the first.
  const [first, ...more] = found.filter((layer) => !readsItsOwn(layer));
  if (found.length === 2 && first !== undefined && more.length === 0) {
    const layers = [first, ...found.filter((layer) => layer !== first)];
    return { layers, assumed: [says("their sizes").replace(names, layers.map(({ name }) => name).join(", "))] };
  }
  return bag.fail(
    `neither the names nor the sizes of its recurrent layers, ${names}, determine their order; list them from the input with the option layers${elsewhere}`,
  );
}

export function byNumber(a: string, b: string): number {
  const [left, right] = [a.split("/"), b.split("/")];
  for (const [i, segment] of left.entries()) {
    const order = segment.localeCompare(right[i] ?? "", "en", { numeric: true });
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** The path before `ending`, if exactly one tensor ends with it. */
export function single(names: readonly string[], ending: string): string | undefined {
  const [name, another] = names.filter((key) => key.endsWith(ending));
  return name === undefined || another !== undefined ? undefined : name.slice(0, -ending.length);
}

export function readDense(bag: TensorBag, path: string, width: number) {
  const kernel = bag.take(`${path}/kernel`, [width, null], `it is the kernel of ${path}`);
  const outputs = at(kernel.shape, 1);
  const hasBias = bag.has(`${path}/bias`);
  return { kernel, bias: hasBias ? bag.take(`${path}/bias`, [outputs], `${path} has one`) : zeros([outputs]) };
}
