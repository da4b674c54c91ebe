/** @file Sums of locals, modulo 2^32: arithmetic, alignment, and constant sums. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Atom,
  addSums,
  alignmentOf,
  atomSum,
  constantSum,
  mostAlignment,
  numberOf,
  type Sum,
  scaleSum,
  sumAlignment,
  termsByDepth,
} from "../../wasm/sum.ts";

const atoms = [1, 4, 16, 1024].map((alignment, i): Atom => ({ name: `x${i}`, depth: i % 3, alignment }));
const numbers = fc.oneof(fc.integer(), fc.integer({ min: -64, max: 64 }));
/** Random sums of the atoms. */
const sums = fc
  .tuple(numbers, fc.array(fc.tuple(fc.constantFrom(...atoms), numbers), { maxLength: 5 }))
  .map(([constant, terms]) =>
    terms.reduce((sum, [atom, factor]) => addSums(sum, atomSum(atom), factor), constantSum(constant)),
  );

const valueAt = ({ terms, constant }: Sum, turns: readonly number[]) =>
  [...terms].reduce((sum, [atom, factor]) => {
    const value = Math.imul(turns[atoms.indexOf(atom)] ?? 0, atom.alignment);
    return (sum + Math.imul(value, factor)) >>> 0;
  }, constant >>> 0);

const turns = fc.array(fc.nat(2 ** 22), { minLength: 4, maxLength: 4 });

test("sums are added, subtracted and scaled", () => {
  fc.assert(
    fc.property(sums, sums, numbers, turns, (a, b, by, at) => {
      expect(valueAt(addSums(a, b), at)).toBe((valueAt(a, at) + valueAt(b, at)) >>> 0);
      expect(valueAt(addSums(a, b, -1), at)).toBe((valueAt(a, at) - valueAt(b, at)) >>> 0);
      expect(valueAt(scaleSum(a, by), at)).toBe(Math.imul(valueAt(a, at), by) >>> 0);
    }),
  );
});

test("the alignment of a sum divides its value", () => {
  fc.assert(
    fc.property(sums, turns, (sum, at) => {
      expect(valueAt(sum, at) % sumAlignment(sum)).toBe(0);
    }),
  );
  expect([0, 1, 12, -12, 2 ** 30].map(alignmentOf)).toEqual([mostAlignment, 1, 4, 4, mostAlignment]);
  const [, four, sixteen] = atoms.map(atomSum) as [Sum, Sum, Sum];
  expect(sumAlignment(addSums(scaleSum(four, 4), sixteen))).toBe(16);
  expect(sumAlignment(addSums(sixteen, constantSum(8)))).toBe(8);
});

test("terms that cancel leave a constant, and the others are grouped by block", () => {
  fc.assert(
    fc.property(sums, (sum) => {
      expect(numberOf(addSums(sum, sum, -1))).toBe(0);
    }),
  );
  expect(numberOf(constantSum(-1))).toBe(2 ** 32 - 1);
  const all = atoms.reduce((sum, atom) => addSums(sum, atomSum(atom)), constantSum(7));
  expect(numberOf(all)).toBeUndefined();
  expect(termsByDepth(all).map(([depth, terms]) => [depth, terms.map(([{ name }]) => name)])).toEqual([
    [0, ["x0", "x3"]],
    [1, ["x1"]],
    [2, ["x2"]],
  ]);
});
