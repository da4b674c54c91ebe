/**
 * @file `einsum`: translates einsum notation to the ops that compute it. Letters that are multiplied and summed become
 * a matrix product, which reads its operands without a transpose if possible; everything else is views.
 */
import { type Dim, formatShape, mulDims, type Shape } from "../graph/dim.ts";
import { at, inWords } from "../graph/errors.ts";
import { expectTensors } from "../trace/expect.ts";
import { faultOf } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";
import { dot } from "./contractions.ts";
import { mul } from "./elementwise.ts";
import { broadcastAxes, reshape, sum, transpose } from "./views.ts";

type Float = Tensor<"f32">;

/** A tensor with a letter for each axis. */
interface Lettered {
  readonly tensor: Float;
  readonly letters: readonly string[];
}

interface Spec {
  readonly text: string;
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

/**
 * Sum of products, as in NumPy, PyTorch and JAX: `einsum("bij,bjk->bik", x, y)` is a matrix product for each b, and
 * `einsum("bi,bj->bij", x, y)` an outer product. Each axis has a letter. Axes with the same letter have the same size
 * and index; letters that are not in the result are summed over. Without an arrow the result has the letters that occur
 * once, in alphabetical order. Operands are f32 and multiplied from left to right: put small ones first.
 *
 * @throws UserError that shows the text if an operand does not fit its letters, if a letter appears twice in an operand
 *   (a diagonal) or in the result, and for an ellipsis.
 */
export function einsum(text: string, ...operands: readonly Float[]): Float {
  const spec = parsed(text);
  checkOperands(spec, operands);
  const given = operands.map((tensor, i) => ({ tensor, letters: at(spec.operands, i) }));
  const [first, ...others] = given as [Lettered, ...Lettered[]];
  let product = withoutLone(first, [...spec.result, ...others.flatMap(({ letters }) => letters)]);
  for (const [i, operand] of others.entries()) {
    const later = [...spec.result, ...others.slice(i + 1).flatMap(({ letters }) => letters)];
    product = multiplied(
      withoutLone(product, [...later, ...operand.letters]),
      withoutLone(operand, [...later, ...product.letters]),
      new Set(later),
    );
  }
  return ordered(product, spec.result);
}

// -- the text ---------------------------------------------------------------------------------------------------------

const faultIn = (text: string, message: string) => faultOf("einsum", `${JSON.stringify(text)}: ${message}`);

function parsed(text: string): Spec {
  if (typeof text !== "string")
    throw faultOf("einsum", `the first argument is ${inWords(text)}; expected a text such as "ij,jk->ik"`);
  const plain = text.replaceAll(" ", "");
  if (plain.includes("...")) throw faultIn(text, "an ellipsis is not supported; give each axis a letter");
  const [left = "", right, ...rest] = plain.split("->");
  const stranger = [...left.replaceAll(",", ""), ...(right ?? "")].find((letter) => !/^[a-zA-Z]$/.test(letter));
  if (stranger !== undefined || rest.length > 0)
    throw faultIn(
      text,
      `${stranger === undefined ? "there are two arrows" : `${stranger} is not a letter`}; expected a text such as "ij,jk->ik"`,
    );
  const operands = left.split(",").map((letters) => [...letters]);
  for (const [i, letters] of operands.entries()) {
    const twice = repeated(letters);
    if (twice !== undefined) throw faultIn(text, `${twice} appears twice in operand ${i}; take the diagonal first`);
  }
  const all = operands.flat();
  const once = [...new Set(all)].filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
  const result = right === undefined ? once : [...right];
  const twice = repeated(result);
  if (twice !== undefined) throw faultIn(text, `${twice} appears twice in the result`);
  const unknown = result.find((letter) => !all.includes(letter));
  if (unknown !== undefined) throw faultIn(text, `${unknown} of the result is in no operand`);
  return { text, operands, result };
}

const repeated = (letters: readonly string[]) => letters.find((letter, i) => letters.indexOf(letter) !== i);

function checkOperands({ text, operands: letters }: Spec, operands: readonly Float[]): void {
  expectTensors("einsum", ...operands);
  if (operands.length !== letters.length)
    throw faultIn(text, `it has ${letters.length} operands, got ${operands.length}`);
  const sizes = new Map<string, { readonly size: Dim; readonly operand: number }>();
  for (const [i, { dtype, shape }] of operands.entries()) {
    const names = at(letters, i);
    const word = names.join("") || "no letter";
    if (dtype !== "f32") throw faultIn(text, `operand ${i} (${word}) is ${dtype}; expected f32 (cast it)`);
    if (shape.length !== names.length)
      throw faultIn(text, `operand ${i} (${word}) is ${formatShape(shape)}; expected an axis for each letter`);
    for (const [axis, letter] of names.entries()) {
      const size = at(shape, axis);
      const known = sizes.get(letter);
      if (known !== undefined && known.size !== size)
        throw faultIn(text, `${letter} is ${known.size} in operand ${known.operand} and ${size} in operand ${i}`);
      sizes.set(letter, known ?? { size, operand: i });
    }
  }
}

// -- the ops ----------------------------------------------------------------------------------------------------------

/** Sums over the axes whose letters are not `wanted`. */
function withoutLone({ tensor, letters }: Lettered, wanted: readonly string[]): Lettered {
  const axes = [...letters.keys()].filter((axis) => !wanted.includes(at(letters, axis)));
  return { tensor: sum(tensor, axes), letters: letters.filter((letter) => wanted.includes(letter)) };
}

/** The product of two tensors, summed over their shared letters that are not `kept`. */
function multiplied(a: Lettered, b: Lettered, kept: ReadonlySet<string>): Lettered {
  const shared = a.letters.filter((letter) => b.letters.includes(letter));
  const batch = shared.filter((letter) => kept.has(letter));
  const depth = shared.filter((letter) => !kept.has(letter));
  const rows = a.letters.filter((letter) => !shared.includes(letter));
  const columns = b.letters.filter((letter) => !shared.includes(letter));
  const letters = [...batch, ...rows, ...columns];
  if (depth.length === 0) return { tensor: mul(spread(a, b, letters), spread(b, a, letters)), letters };
  const left = matrices(a, batch, rows, depth);
  const right = matrices(b, batch, depth, columns);
  const product = dot(left.tensor, right.tensor, { transposeA: left.isTransposed, transposeB: right.isTransposed });
  const size = (letter: string) => sizeOf(a, letter) ?? sizeOf(b, letter) ?? 1;
  return { tensor: reshape(product, letters.map(size)), letters };
}

function sizeOf({ tensor, letters }: Lettered, letter: string): Dim | undefined {
  return tensor.shape[letters.indexOf(letter)];
}

/** x with its axes in the order of `letters`, repeated along the axes that only `other` has. */
function spread(x: Lettered, other: Lettered, letters: readonly string[]): Float {
  const own = letters.filter((letter) => x.letters.includes(letter));
  const shape: Shape = letters.map((letter) => sizeOf(x, letter) ?? sizeOf(other, letter) ?? 1);
  return broadcastAxes(
    ordered(x, own),
    shape,
    own.map((letter) => letters.indexOf(letter)),
  );
}

/**
 * x as [...batch, first, second]; each of the last two merges the axes of its letters. If x is stored as [...batch,
 * second, first], it stays so and `isTransposed` is set.
 */
function matrices(x: Lettered, batch: readonly string[], first: readonly string[], second: readonly string[]) {
  const isTransposed = [...batch, ...second, ...first].every((letter, axis) => letter === x.letters[axis]);
  const [before, after] = isTransposed ? [second, first] : [first, second];
  const size = (group: readonly string[]) => group.map((letter) => sizeOf(x, letter) ?? 1).reduce<Dim>(mulDims, 1);
  const inOrder = ordered(x, [...batch, ...before, ...after]);
  const shape = [...batch.map((letter) => sizeOf(x, letter) ?? 1), size(before), size(after)];
  return { tensor: reshape(inOrder, shape), isTransposed };
}

/** The tensor with its axes in the `wanted` order. */
function ordered({ tensor, letters }: Lettered, wanted: readonly string[]): Float {
  return transpose(
    tensor,
    wanted.map((letter) => letters.indexOf(letter)),
  );
}
