/**
 * @file Errors of functions on a device in units of the last place (ulp), over f32 numbers by their bits.
 *
 * One ulp at a value is the distance of the f32 numbers there; below 2^-126 it is that of the subnormal ones. A device may
 * take subnormal numbers for 0, as WGSL allows: of a subnormal operand the value at 0 counts as right too, and so does 0
 * for a subnormal result.
 */
import { at } from "../../compiler/graph/errors.ts";
import { type Device, ndarray, traceGraph } from "../../index.ts";
import { type Measured, measuredFunctions } from "./functions.ts";

export interface Task {
  /** Every so many-th bit pattern of f32 from `first` on; without it, the sample. */
  readonly sweep?: { readonly stride: number; readonly first: number };
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
  readonly count: number;
  readonly worst: Readonly<Record<string, Worst>>;
}

const leastNormal = 2 ** -126;
const words = new Uint32Array(2);
const wide = new Float64Array(words.buffer);

/** The distance of f32 numbers at x. */
export function ulpAt(x: number): number {
  wide[0] = x;
  const exponent = ((at([...words], 1) >>> 20) & 0x7ff) - 1023;
  return 2 ** (Math.min(Math.max(exponent, -126), 127) - 23);
}

/** Past the largest number comes infinity, one ulp on. */
const bounded = (x: number) => Math.min(Math.max(x, -(2 ** 128)), 2 ** 128);

/** How far `got` is from `exact`, in ulp; infinite where one of them is no number. */
export function ulpError(got: number, exact: number): number {
  if (Number.isNaN(exact) || Number.isNaN(got)) return Object.is(got, exact) ? 0 : Number.POSITIVE_INFINITY;
  if (got === 0 && Math.abs(exact) < leastNormal) return 0;
  const right = bounded(exact);
  return Math.abs(bounded(got) - right) / ulpAt(right);
}

function errorAt({ exact }: Measured, got: number, x: number, y: number): number {
  const error = ulpError(got, exact(x, y));
  if (error === 0) return 0;
  const [flatX, flatY] = [x, y].map((v) => (Math.abs(v) < leastNormal ? v * 0 : v)) as [number, number];
  return flatX === x && flatY === y ? error : Math.min(error, ulpError(got, exact(flatX, flatY)));
}

const floats = new Float32Array(1);
const bitsOfFloat = new Uint32Array(floats.buffer);
export function floatOf(bits: number): number {
  bitsOfFloat[0] = bits;
  return at([...floats], 0);
}
function bitsOf(x: number): number {
  floats[0] = x;
  return at([...bitsOfFloat], 0);
}

/** A hash of a counter: what has no pattern that a function might share. */
function scattered(i: number): number {
  let x = Math.imul(i + 1, 0x9e3779b1) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x85ebca77) >>> 0;
  return (x ^ (x >>> 13)) >>> 0;
}

/** Numbers near which functions change what they do, with their neighbours. */
function edges(): number[] {
  const multiples = Array.from({ length: 1200 }, (_, i) => ((i + 1) * Math.PI) / 2);
  const far = Array.from({ length: 120 }, (_, i) => 1.37 ** i * Math.PI);
  const places = [0.1, 0.25, 0.34657359, 0.5, 1, 2, 8.66, 16.6, 17.33, 20, 80, 87.33, 88.02, 88.72284, 103.28, 103.97, 402];
  const nearOne = Array.from({ length: 24 }, (_, i) => [1 + 2 ** -i, 1 - 2 ** -i]).flat();
  // The f32 number that is nearest to a multiple of pi/2.
  const nearest = 16367173 * 2 ** 72;
  return [...multiples, ...far, ...places, ...nearOne, nearest].flatMap((x) => {
    const bits = bitsOf(x);
    return [bits - 1, bits, bits + 1].flatMap((b) => [b, (b | 0x80000000) >>> 0]);
  });
}

/** Every exponent and sign with the first, the last and scattered fractions; the edges; what is no number. */
export function sampleBits(perExponent = 36): number[] {
  const fractions = [0, 1, 2, 0x400000, 0x7ffffe, 0x7fffff];
  const all: number[] = [0x7fc00000];
  for (let high = 0; high < 512; high++) {
    const isLast = (high & 0xff) === 0xff;
    for (let i = 0; i < perExponent; i++) {
      const fraction = fractions[i] ?? scattered(high * perExponent + i) & 0x7fffff;
      if (!isLast || fraction === 0) all.push(((high << 23) | fraction) >>> 0);
    }
  }
  return [...all, ...edges()];
}

const chunk = 1 << 16;

/** Measures every function on the numbers of a task; `told` hears how much of it is done, from 0 to 1. */
export async function measure(device: Device, { sweep }: Task, told?: (done: number) => void): Promise<Measurement> {
  const sample = sweep === undefined ? sampleBits() : [];
  const count = sweep === undefined ? sample.length : Math.ceil((2 ** 32 - sweep.first) / sweep.stride);
  const bitsAt = (i: number): number =>
    sweep === undefined ? at(sample, i % count) : (sweep.first + (i % count) * sweep.stride) % 2 ** 32;
  const entries = Object.entries(measuredFunctions);
  const avals = ["x", "y"].map((name) => ({ name, dtype: "f32" as const, shape: [chunk] }));
  const worst: Record<string, Worst> = {};
  for (const [name, measured] of entries) {
    const graph = traceGraph(name, avals, ([x, y]) => [measured.f(x as never, y as never)]);
    const executable = await device.compile(graph);
    let most: Worst = { ulp: 0, x: 0, y: 0, got: 0, exact: 0 };
    for (let start = 0; start < count; start += chunk) {
      const xs = new Float64Array(chunk);
      const ys = new Float64Array(chunk);
      for (let i = 0; i < chunk; i++) {
        xs[i] = floatOf(bitsAt(start + i));
        ys[i] = sweep === undefined ? floatOf(bitsAt(scattered(start + i))) : floatOf(scattered(start + i));
      }
      const inputs = { x: ndarray([chunk], xs), y: ndarray([chunk], ys) };
      const [output] = executable.run(inputs);
      const { data } = await at([output], 0)!.read();
      output?.destroy();
      for (let i = 0; i < chunk; i++) {
        const [x, y, got] = [xs[i] ?? 0, ys[i] ?? 0, data[i] ?? 0];
        const ulp = errorAt(measured, got, x, y);
        if (ulp > most.ulp) most = { ulp, x, y, got, exact: measured.exact(x, y) };
      }
      told?.((entries.findIndex(([other]) => other === name) + (start + chunk) / count) / entries.length);
    }
    worst[name] = most;
    executable.destroy();
  }
  return { device: device.name, count, worst };
}
