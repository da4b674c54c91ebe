/**
 * @file Errors of functions on a device in units of the last place (ulp), over f32 numbers by their bits.
 *
 * One ulp at a value is the distance of the f32 numbers there; below 2^-126 it is that of the subnormal ones. A device may
 * take subnormal numbers for 0, as WGSL allows: of a subnormal operand the value at 0 counts as right too, and so does 0
 * for a subnormal result.
 */
import { at } from "../../compiler/graph/errors.ts";
import { type Device, type NdArray, ndarray, type Tensor, traceGraph } from "../../index.ts";
import type { Executor } from "../../testing/executor.ts";
import { exactCases } from "./exact-cases.ts";
import { type Measured, measuredFunctions } from "./functions.ts";

type Float = Tensor<"f32">;

/** Every `stride`-th bit pattern of f32 from `first` on. */
export interface Sweep {
  readonly stride: number;
  readonly first: number;
}

/** The worst error of a function, and where it is. */
export interface Worst {
  readonly ulp: number;
  readonly x: number;
  readonly y: number;
  readonly got: number;
  readonly exact: number;
}

export interface Measurement {
  readonly device: string;
  /** How many numbers each function was given. */
  readonly count: number;
  readonly worst: Readonly<Record<string, Worst>>;
}

const leastNormal = 2 ** -126;
const view = new DataView(new ArrayBuffer(8));

/** The distance of f32 numbers at x. */
export function ulpAt(x: number): number {
  view.setFloat64(0, x);
  const exponent = ((view.getUint32(0) >>> 20) & 0x7ff) - 1023;
  return 2 ** (Math.min(Math.max(exponent, -126), 127) - 23);
}

/** Past the largest number comes infinity, one ulp on. */
const bounded = (x: number) => Math.min(Math.max(x, -(2 ** 128)), 2 ** 128);

/** How far `got` is from `exact`, in ulp; infinite where one of them alone is no number. */
export function ulpError(got: number, exact: number): number {
  if (Number.isNaN(exact) || Number.isNaN(got)) return Object.is(got, exact) ? 0 : Number.POSITIVE_INFINITY;
  const right = bounded(exact);
  return Math.abs(bounded(got) - right) / (Math.abs(right) === 2 ** 128 ? 2 ** 104 : ulpAt(right));
}

/** A subnormal number as a device may take it. */
const flat = (x: number) => (Math.abs(x) < leastNormal ? x * 0 : x);

function errorAt({ exact, zeroBelow = leastNormal }: Measured, got: number, x: number, y: number): number {
  const right = exact(x, y);
  if (got === 0 && Math.abs(right) < zeroBelow) return 0;
  const error = ulpError(got, right);
  const isNormal = flat(x) === x && flat(y) === y;
  return error === 0 || isNormal ? error : Math.min(error, ulpError(got, exact(flat(x), flat(y))));
}

export function floatOf(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

export function bitsOf(x: number): number {
  view.setFloat32(0, x);
  return view.getUint32(0);
}

/** A hash of a counter: bits without a pattern that a function might share. */
function scattered(i: number): number {
  let x = Math.imul(i + 1, 0x9e3779b1) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x85ebca77) >>> 0;
  return (x ^ (x >>> 13)) >>> 0;
}

/** Numbers near which functions change what they do, with their neighbours on both sides of 0. */
function edges(): number[] {
  const quarterTurns = Array.from({ length: 1200 }, (_, i) => ((i + 1) * Math.PI) / 2);
  const far = Array.from({ length: 120 }, (_, i) => 1.37 ** i * Math.PI);
  const nearOne = Array.from({ length: 24 }, (_, i) => [1 + 2 ** -i, 1 - 2 ** (-i - 1)]).flat();
  const places = [
    1e-30, 4, 0.25, 0.29, 0.34, 0.3466, 0.41, 0.5, 8.66, 9.859064102172852, 16.6, 17.33, 80, 87.33, 88.02, 88.72284,
    103.28, 103.97, 400,
  ];
  // Of all f32 numbers the nearest to a quarter turn.
  const nearest = 16367173 * 2 ** 72;
  return [...quarterTurns, ...far, ...nearOne, ...places, nearest].flatMap((x) => {
    const bits = bitsOf(x);
    return [bits - 1, bits, bits + 1].flatMap((near) => [near, (near | 0x80000000) >>> 0]);
  });
}

const fractions = [0, 1, 2, 0x400000, 0x7ffffe, 0x7fffff];
const ofExponent = 36;

/** Every exponent and sign with the first, the last and scattered fractions; the edges; infinity, and what is no number. */
export function sampleBits(): number[] {
  const all: number[] = [0x7fc00000];
  for (let high = 0; high < 512; high++) {
    const isLast = (high & 0xff) === 0xff;
    for (let i = 0; i < (isLast ? 1 : ofExponent); i++) {
      const fraction = fractions[i] ?? scattered(high * ofExponent + i) & 0x7fffff;
      all.push(((high << 23) | fraction) >>> 0);
    }
  }
  return [...all, ...edges()];
}

/** Numbers of one run. */
const chunk = 1 << 16;

export interface MeasureOptions {
  /** The sample without it. */
  readonly sweep?: Sweep | undefined;
  readonly only?: readonly string[] | undefined;
}

/** Measures functions; `told` hears how much of it is done, from 0 to 1. */
export async function measure(
  device: Device,
  { sweep, only = Object.keys(measuredFunctions) }: MeasureOptions = {},
  told?: (done: number) => void,
): Promise<Measurement> {
  const sample = sweep === undefined ? sampleBits() : [];
  const count = sweep === undefined ? sample.length : Math.ceil((2 ** 32 - sweep.first) / sweep.stride);
  const bitsAt = (i: number) =>
    sweep === undefined ? at(sample, i % count) : sweep.first + (i % count) * sweep.stride;
  // The second operand: another number of the sample, or any.
  const otherBits = (i: number) => (sweep === undefined ? bitsAt(scattered(i)) : scattered(i));
  const avals = ["x", "y"].map((name) => ({ name, dtype: "f32" as const, shape: [chunk] }));
  const functions = Object.entries(measuredFunctions).filter(([name]) => only.includes(name));
  const worst: Record<string, Worst> = {};
  const graphs = functions.map(([name, { f }]) => traceGraph(name, avals, ([x, y]) => [f(x as Float, y as Float)]));
  for (const [k, [name, measured]] of functions.entries()) {
    const executable = await device.compile(at(graphs, k));
    let most: Worst = { ulp: 0, x: 0, y: 0, got: 0, exact: 0 };
    for (let start = 0; start < count; start += chunk) {
      const xs = Float64Array.from({ length: chunk }, (_, i) => floatOf(bitsAt(start + i)));
      const ys = Float64Array.from({ length: chunk }, (_, i) => floatOf(otherBits(start + i)));
      const output = at(executable.run({ x: ndarray([chunk], xs), y: ndarray([chunk], ys) }), 0);
      const { data } = await output.read();
      output.destroy();
      for (let i = 0; i < Math.min(chunk, count - start); i++) {
        const [x = 0, y = 0, got = 0] = [xs[i], ys[i], data[i]];
        const ulp = errorAt(measured, got, x, y);
        if (ulp > most.ulp) most = { ulp, x, y, got, exact: measured.exact(x, y) };
      }
      told?.((k + Math.min(1, (start + chunk) / count)) / functions.length);
    }
    worst[name] = most;
    executable.destroy();
  }
  return { device: device.name, count, worst };
}

/** Lines about exact cases whose result is another one; none where all are right. */
export async function inexactCases({ execute }: Pick<Executor, "execute">): Promise<string[]> {
  const wrong: string[] = [];
  for (const [name, cases] of Object.entries(exactCases)) {
    for (const [i, [f, args, expected]] of cases.entries()) {
      const avals = args.map(({ dtype, shape }, k) => ({ name: `x${k}`, dtype, shape }));
      const graph = traceGraph(name, avals, (tensors) => [f(...(tensors as never[])) as Tensor]);
      const [got, wanted] = [asText(at(await execute(graph, args), 0)), asText(expected)];
      if (got !== wanted) wrong.push(`${name} ${i}: ${got}, not ${wanted}`);
    }
  }
  return wrong;
}

/** As text, in which 0 and -0 are one; f32 numbers as they are in f32. */
function asText({ dtype, shape, data }: NdArray): string {
  const numbers = [...data].map((x) => (dtype === "f32" ? Math.fround(x) : x) + 0);
  return `${dtype}[${shape.join(", ")}] ${numbers.join(", ")}`;
}
