/**
 * @file Random kernels of the IR, from a tape of numbers that determines each choice: arithmetic of all primitives on
 * all types, registers, loops, conditions, functions, workgroup memory, several parts. Numbers stay where every device
 * computes the same: every bound f32 is a multiple of 1/8 up to 64, since flushing and overflow depend on the device.
 */
import fc from "fast-check";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { globalArray, KernelBuilder } from "../../compiler/kernel/builder.ts";
import { kernelFunction } from "../../compiler/kernel/function.ts";
import type { Expr, LocalArray, Scalar, Variable } from "../../compiler/kernel/ir.ts";
import type { PlannedKernel, Program } from "../../compiler/plan/program.ts";

/** What kernels for a device may contain. */
export interface Kind {
  /** Lanes of a workgroup, a power of two. */
  readonly lanes: number;
  /** Whether lanes may read other lanes of subgroups of four. */
  readonly asks: boolean;
  /** Whether lanes may have vectors, and registers indexed differently per lane. */
  readonly hasVectors: boolean;
}

const groups = 2;
const stored = ["f32", "i32", "u32"] as const;
/** Elements of each input and output: one for each invocation of two parts. */
export const sizeOf = ({ lanes }: Kind) => 2 * groups * lanes;

export const tapes: fc.Arbitrary<number[]> = fc.array(fc.nat(9999), { minLength: 300, maxLength: 800 });

/** Numbers for the three inputs. */
export function randomInputs(kind: Kind): Readonly<Record<string, NdArray>> {
  const size = sizeOf(kind);
  const each = (make: (i: number) => number) => Array.from({ length: size }, (_, i) => make(i));
  return {
    in0: ndarray(
      [size],
      each((i) => ((i * 37) % 129) / 8 - 8),
    ),
    in1: ndarray(
      [size],
      each((i) => Math.imul(i * i, 123457) % (i % 3 === 0 ? 9 : 2 ** 31)),
      "i32",
    ),
    in2: ndarray(
      [size],
      each((i) => Math.imul(i + 1, 2654435761) >>> (i % 4 === 0 ? 27 : 0)),
      "u32",
    ),
  };
}

/** Equal, or with f32 within a few units of the last place. */
export function isClose({ dtype, data }: NdArray, expected: NdArray): boolean {
  return data.every((value, i) => {
    const other = at([...expected.data], i);
    return (
      Object.is(value + 0, other + 0) || (dtype === "f32" && Math.abs(value - other) <= 4 * 2 ** -24 * Math.abs(other))
    );
  });
}

/** A function with a condition and a table. */
const pick = kernelFunction("cg_pick", ["u32", "i32"], "i32", (f, x, y) => {
  const table = f.table("numbers", [3, 1, 4, 1, 5, 9, 2, 6]);
  const kept = f.var("kept", f.bitXor(y, f.convert(table(f.bitAnd(x, f.u32(7))), "i32")));
  f.if(f.less(x, f.u32(100)), () => f.assign(kept, f.sub(kept, y)));
  return kept;
});

type Env = Readonly<Record<Scalar, readonly Expr[]>>;

/** Writes a part by the choices of a tape; after its end, every choice is the first. */
class Random {
  readonly #k: KernelBuilder;
  readonly #tape: readonly number[];
  readonly #kind: Kind;
  #place = 0;
  readonly #registers: Record<Scalar, Variable[]> = { f32: [], i32: [], u32: [], bool: [] };
  readonly #arrays: { readonly array: LocalArray; readonly type: "f32" | "i32" | "u32" }[] = [];

  constructor(k: KernelBuilder, tape: readonly number[], kind: Kind) {
    this.#k = k;
    this.#tape = tape;
    this.#kind = kind;
  }

  #choice(count: number): number {
    const number = this.#tape[this.#place] ?? 0;
    this.#place += 1;
    return number % count;
  }

  /** Writes a part whose invocations own the elements from `first` on. */
  part(first: number): void {
    const k = this.#k;
    const { lanes } = this.#kind;
    const own = k.let("own", k.add(k.add(k.mul(k.group, k.u32(lanes)), k.lane), k.u32(first)));
    const load = (place: Expr) =>
      stored.map((type, i) => this.#bind(type, k.load(globalArray(i, { name: `in${i}`, element: type }), place)));
    // Values per lane, and values that all lanes of a workgroup share.
    const [each, alike] = [load(own), load(k.add(k.group, k.u32(first)))];
    const base: Env = {
      f32: [at(each, 0), at(alike, 0)],
      i32: [at(each, 1), at(alike, 1)],
      u32: [at(each, 2), k.lane, k.group, at(alike, 2)],
      bool: [],
    };
    for (const type of ["f32", "i32", "u32", "bool"] as const)
      this.#registers[type].push(k.var(k.fresh("r"), this.#value(type, base, 1)));
    for (const type of stored) {
      const array = k.sharedArray(type, lanes);
      this.#arrays.push({ array, type });
      k.storeElement(array, k.lane, this.#tame(type, this.#value(type, base, 1)));
    }
    const env = this.#statements(base, 3 + this.#choice(4), 0, true);
    // Uninitialized memory has arbitrary contents, so each element is written before lanes leave.
    const outputs = stored.map((type, i) => globalArray(3 + i, { name: `out${i}`, element: type }));
    for (const [i, type] of stored.entries()) k.storeElement(at(outputs, i), own, this.#value(type, env, 2));
    for (const [i, type] of stored.entries()) {
      const register = at(this.#registers[type], 0);
      // The last digits of quotients and roots depend on the device, so nothing is computed from them.
      const last =
        type === "f32" ? k.div(k.sqrt(k.abs(register)), this.#tame(type, k.add(k.abs(register), k.f32(1)))) : register;
      k.leaveIf(k.and(this.#value("bool", env, 1), k.less(k.u32(2), k.lane)));
      k.storeElement(at(outputs, i), own, last, "add");
    }
  }

  #bind(type: Scalar, value: Expr): Expr {
    return this.#k.let(this.#k.fresh("x"), this.#tame(type, value));
  }

  #tame(type: Scalar, value: Expr): Expr {
    const k = this.#k;
    if (type !== "f32") return value;
    const small = k.min(k.max(value, k.f32(-64)), k.f32(64));
    return k.mul(k.round(k.mul(small, k.f32(8))), k.f32(0.125));
  }

  /** Writes statements; returns what is in scope after them. */
  #statements(env: Env, count: number, depth: number, isUniform: boolean): Env {
    const k = this.#k;
    let known = env;
    const add = (type: Scalar, value: Expr) => {
      known = { ...known, [type]: [...known[type], this.#bind(type, value)] };
    };
    for (let i = 0; i < count; i++) {
      const type = at(["f32", "i32", "u32", "bool"] as const, this.#choice(4));
      switch (this.#choice(depth < 2 ? 9 : 3)) {
        case 0:
          add(type, this.#value(type, known, 2));
          break;
        case 1:
        case 2:
          k.assign(at(this.#registers[type], 0), this.#tame(type, this.#value(type, known, 2)));
          break;
        case 3: {
          const inside = known;
          k.if(this.#value("bool", known, 2), () => this.#statements(inside, 2, depth + 1, false));
          break;
        }
        case 4:
          this.#loop(known, depth, isUniform);
          break;
        case 5: {
          const kept = k.registers(
            k.fresh("kept"),
            type,
            [0, 1, 2].map(() => this.#tame(type, this.#value(type, known, 1))),
          );
          const which = this.#kind.hasVectors ? this.#value("u32", known, 1) : k.group;
          add(type, k.load(kept, k.rem(which, k.u32(3))));
          break;
        }
        case 6:
          if (this.#kind.asks && depth === 0 && type !== "bool") {
            const asked = this.#bind(type, this.#value(type, known, 2));
            const lane = this.#choice(4);
            add(type, this.#choice(2) === 0 ? k.fromLane(asked, lane) : k.fromQuad(asked, lane));
          }
          break;
        default: {
          const { lanes } = this.#kind;
          const { array, type: held } = at(this.#arrays, this.#choice(this.#arrays.length));
          const other = k.bitXor(k.lane, k.u32(this.#choice(lanes)));
          add(
            held,
            k.load(array, this.#choice(2) === 0 ? other : k.bitAnd(this.#value("u32", known, 1), k.u32(lanes - 1))),
          );
          if (isUniform) k.storeElement(array, k.lane, this.#tame(held, this.#value(held, known, 1)));
        }
      }
    }
    return known;
  }

  #loop(env: Env, depth: number, isUniform: boolean): void {
    const k = this.#k;
    const { lanes } = this.#kind;
    const [one, name] = [k.u32(1), k.fresh("turn")];
    const bound = this.#choice(3);
    const isAlike = bound > 0;
    // The same range for all lanes, a range spread over the lanes, or a length per lane.
    const axis = { extent: 4, role: "depth" } as const;
    const head = isAlike
      ? { axis, name, first: k.u32(0), end: k.u32(1 + this.#choice(3)), step: one }
      : this.#choice(2) === 0
        ? ({ axis, mapping: "lanes", name, first: k.lane, end: k.u32(40), step: k.u32(lanes) } as const)
        : { axis, name, first: k.u32(0), end: k.bitAnd(this.#value("u32", env, 1), k.u32(3)), step: one };
    const slots = isAlike && isUniform ? k.sharedArray("i32", lanes, 2) : undefined;
    k.for(head, (i) => {
      const inside = { ...env, u32: [...env.u32, i] };
      if (slots !== undefined) {
        const even = k.bitAnd(i, one);
        k.storeInSlot(slots, even, k.lane, this.#value("i32", inside, 1));
        k.assign(at(this.#registers.i32, 0), k.load(slots, k.bitXor(k.lane, one), even));
      }
      this.#statements(inside, 2, depth + 1, isUniform && isAlike);
    });
  }

  #literal(type: Scalar): Expr {
    const number = this.#choice(9999);
    if (type === "f32") return this.#k.f32((number % 1024) / 8 - 64);
    if (type === "bool") return this.#k.bool(number % 2 === 1);
    return this.#k.literal(at([number, -number, 2 ** 31 + number, 2 ** 31 - 1, 7], number % 5), type);
  }

  #value(type: Scalar, env: Env, depth: number): Expr {
    const known = env[type];
    if (depth === 0 || this.#choice(5) === 0) {
      const which = this.#choice(known.length + 2);
      return known[which] ?? (which === known.length ? this.#register(type) : this.#literal(type));
    }
    const of = (other: Scalar) => this.#value(other, env, depth - 1);
    const made = type === "f32" ? this.#float(of) : type === "bool" ? this.#truth(of) : this.#integer(type, of);
    return at(made, this.#choice(made.length))();
  }

  #register(type: Scalar): Expr {
    return this.#registers[type][0] ?? this.#literal(type);
  }

  #float(of: (type: Scalar) => Expr): readonly (() => Expr)[] {
    const k = this.#k;
    const x = () => of("f32");
    const four = () => k.vector([x(), x(), x(), x()]);
    const fraction = () => k.bitOr(k.bitAnd(of("u32"), k.u32(0x7fffff)), k.u32(0x3f800000));
    return [
      ...[() => k.add(x(), x()), () => k.sub(x(), x()), () => k.mul(x(), x()), () => k.min(x(), x())],
      ...[() => k.max(x(), x()), () => k.neg(x()), () => k.abs(x()), () => k.floor(x()), () => k.round(x())],
      ...[() => k.select(of("bool"), x(), x()), () => k.convert(of("bool"), "f32")],
      ...[() => this.#tame("f32", k.convert(of("i32"), "f32")), () => this.#tame("f32", k.convert(of("u32"), "f32"))],
      () => this.#tame("f32", k.bitcast(fraction(), "f32")),
      () =>
        this.#kind.hasVectors
          ? k.component(k.add(k.mul(four(), k.vector([x()])), four()), this.#choice(4))
          : k.add(k.mul(x(), x()), x()),
    ];
  }

  #truth(of: (type: Scalar) => Expr): readonly (() => Expr)[] {
    const k = this.#k;
    const two = (compare: (a: Expr, b: Expr) => Expr) => () => {
      const type = at(stored, this.#choice(3));
      return compare(of(type), of(type));
    };
    const b = () => of("bool");
    return [
      ...[two(k.less), two(k.lessEqual), two(k.equal), two(k.notEqual)],
      ...[() => k.not(b()), () => k.and(b(), b()), () => k.or(b(), b()), () => k.equal(b(), b())],
      ...[() => k.select(b(), b(), b()), () => k.convert(of(at(stored, this.#choice(3))), "bool")],
    ];
  }

  #integer(type: "i32" | "u32", of: (type: Scalar) => Expr): readonly (() => Expr)[] {
    const k = this.#k;
    const x = () => of(type);
    const divisor = () => k.bitOr(k.bitAnd(x(), k.literal(7, type)), k.literal(1, type));
    const by = () => k.bitAnd(of("u32"), k.u32(31));
    const float = () => of("f32");
    // Zero has two bit patterns, and which one a device returns is open.
    const patterned = () => {
      const value = float();
      return k.bitcast(k.select(k.equal(value, k.f32(0)), k.f32(1), value), type);
    };
    const signed = [() => k.neg(x()), () => k.abs(x()), () => k.call(pick, [of("u32"), x()])];
    const other = type === "i32" ? "u32" : "i32";
    return [
      ...[() => k.add(x(), x()), () => k.sub(x(), x()), () => k.mul(x(), x()), () => k.div(x(), divisor())],
      ...[() => k.rem(x(), divisor()), () => k.min(x(), x()), () => k.max(x(), x()), () => k.bitAnd(x(), x())],
      ...[() => k.bitOr(x(), x()), () => k.bitXor(x(), x()), () => k.bitNot(x()), () => k.countLeadingZeros(x())],
      ...[() => k.shiftLeft(x(), by()), () => k.shiftRight(x(), by()), () => k.select(of("bool"), x(), x())],
      ...[() => k.convert(of(other), type), () => k.bitcast(of(other), type), () => k.convert(of("bool"), type)],
      ...[() => k.convert(this.#tame("f32", k.abs(float())), type), patterned],
      ...(type === "i32" ? signed : []),
    ];
  }
}

/** A program of one kernel with one or two parts, which reads three inputs and writes three outputs. */
export function randomProgram(tape: readonly number[], kind: Kind): Program<PlannedKernel> {
  const { lanes } = kind;
  const size = sizeOf(kind);
  const grid = Array.from({ length: 1 + ((tape[0] ?? 0) % 2) }, () => ({
    ...{ rows: [groups], rowsPer: 1, columns: [1], lanes: 1 },
  }));
  const k = new KernelBuilder();
  for (const [i, part] of grid.entries()) {
    const half = tape.slice(1 + i * (tape.length >> 1));
    k.part(part, () => new Random(k, half, kind).part(i * groups * lanes));
  }
  const code = k.finish(lanes);
  const elements = grid.length * groups * lanes;
  const place = (buffer: number) => ({ buffer, offset: [0], size: [elements] });
  return {
    ...{ version: 1, name: "random", symbols: [], requires: [], schedules: [] },
    buffers: (["input", "slab"] as const).flatMap((role) =>
      stored.map((element, i) => ({
        name: `${role}${i}`,
        element,
        bytes: 4,
        size: [role === "input" ? size : elements],
        role,
      })),
    ),
    inputs: stored.map((dtype, buffer) => ({ name: `in${buffer}`, dtype, shape: [size], buffer })),
    outputs: stored.map((dtype, i) => ({ dtype, shape: [elements], location: place(3 + i), donated: undefined })),
    kernels: [{ name: "k0_random", label: "random", sites: [], code, work: { flops: [], bytes: [] } }],
    steps: [{ kind: "dispatch", kernel: 0, grid, phase: "forward" }],
  };
}
