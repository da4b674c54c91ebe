/**
 * @file WebAssembly's instructions by name: the bytes, operand and result types, and immediates of each. From the
 * tables of the specification (WebAssembly 2.0, threads, relaxed SIMD).
 */
import type { ValueType } from "./instruction.ts";

/** Types on the stack, including i64, which is used only for the timeout of a wait. */
export type StackType = ValueType | "i64";

/**
 * What follows the bytes of an instruction: "memory" is the alignment and the offset of a load or a store, "pages" and
 * "copy" are memory indices, which are all 0.
 */
export type Immediate =
  | "none"
  | "local"
  | "global"
  | "function"
  | "label"
  | "i32"
  | "i64"
  | "f32"
  | "words"
  | "memory"
  | "memoryLane"
  | "lane"
  | "shuffle"
  | "pages"
  | "copy"
  | "fence";

/**
 * "any" is one type for all operands of the instruction; types that depend on a local or function are found in
 * validate.ts.
 */
export interface Opcode {
  readonly bytes: readonly number[];
  readonly operands: readonly (StackType | "any")[];
  readonly result: StackType | "any" | undefined;
  readonly immediate: Immediate;
  /** Bytes that a load or store accesses. */
  readonly width: number;
  /** Number of lanes that the immediate selects from. */
  readonly lanes: number;
}

type Rows = Readonly<Record<string, number>>;
type Sizes = Partial<Pick<Opcode, "width" | "lanes">>;

const table = new Map<string, Opcode>();

/**
 * Adds instructions with one signature, such as "i32 i32 -> i32". A number above 0xff is a prefix byte followed by
 * three hexadecimal digits: 0xfd_0e4 is number 0xe4 with prefix 0xfd.
 */
function add(signature: string, rows: Rows, immediate: Immediate = "none", { width = 0, lanes = 0 }: Sizes = {}): void {
  const [operands = [], [result] = []] = signature.split("->").map(typesOf);
  for (const [name, code] of Object.entries(rows)) {
    table.set(name, { bytes: bytesOf(code), operands, result, immediate, width, lanes });
  }
}

function typesOf(text: string): Opcode["operands"] {
  return text.split(" ").flatMap((word) => types.filter((type) => type === word));
}

const types = ["i32", "i64", "f32", "v128", "any"] as const;

function bytesOf(code: number): readonly number[] {
  if (code <= 0xff) return [code];
  const [prefix, number] = [code >> 12, code & 0xfff];
  return number < 0x80 ? [prefix, number] : [prefix, 0x80 | (number & 0x7f), number >> 7];
}

// Control, locals and constants.
add("", { unreachable: 0x00, nop: 0x01, return: 0x0f });
add("", { br: 0x0c }, "label");
add("i32", { br_if: 0x0d }, "label");
add("", { call: 0x10 }, "function");
add("any", { drop: 0x1a });
add("any any i32 -> any", { select: 0x1b });
add("-> any", { "local.get": 0x20 }, "local");
add("any", { "local.set": 0x21 }, "local");
add("any -> any", { "local.tee": 0x22 }, "local");
add("-> v128", { "global.get": 0x23 }, "global");

// Memory.
add("i32 -> i32", { "i32.load": 0x28 }, "memory", { width: 4 });
add("i32 -> f32", { "f32.load": 0x2a }, "memory", { width: 4 });
add("i32 -> i32", { "i32.load8_s": 0x2c, "i32.load8_u": 0x2d }, "memory", { width: 1 });
add("i32 -> i32", { "i32.load16_s": 0x2e, "i32.load16_u": 0x2f }, "memory", { width: 2 });
add("i32 i32", { "i32.store": 0x36 }, "memory", { width: 4 });
add("i32 f32", { "f32.store": 0x38 }, "memory", { width: 4 });
add("i32 i32", { "i32.store8": 0x3a }, "memory", { width: 1 });
add("i32 i32", { "i32.store16": 0x3b }, "memory", { width: 2 });
add("-> i32", { "memory.size": 0x3f }, "pages");
add("i32 i32 i32", { "memory.copy": 0xfc_00a }, "copy");
add("i32 i32 i32", { "memory.fill": 0xfc_00b }, "pages");
add("i32 -> v128", { "v128.load": 0xfd_000 }, "memory", { width: 16 });
add("i32 v128", { "v128.store": 0xfd_00b }, "memory", { width: 16 });
add("i32 -> v128", { "v128.load8_splat": 0xfd_007 }, "memory", { width: 1 });
add("i32 -> v128", { "v128.load16_splat": 0xfd_008 }, "memory", { width: 2 });
add("i32 -> v128", { "v128.load32_splat": 0xfd_009, "v128.load32_zero": 0xfd_05c }, "memory", { width: 4 });
add("i32 -> v128", { "v128.load64_splat": 0xfd_00a, "v128.load64_zero": 0xfd_05d }, "memory", { width: 8 });
add("i32 -> v128", { "v128.load16x4_s": 0xfd_003, "v128.load16x4_u": 0xfd_004 }, "memory", { width: 8 });
add("i32 v128 -> v128", { "v128.load32_lane": 0xfd_056 }, "memoryLane", { width: 4, lanes: 4 });
add("i32 v128 -> v128", { "v128.load64_lane": 0xfd_057 }, "memoryLane", { width: 8, lanes: 2 });
add("i32 v128", { "v128.store32_lane": 0xfd_05a }, "memoryLane", { width: 4, lanes: 4 });
add("i32 v128", { "v128.store64_lane": 0xfd_05b }, "memoryLane", { width: 8, lanes: 2 });

// Atomics. The timeout of a wait is in nanoseconds; -1 waits for ever.
add("i32 i32 -> i32", { "memory.atomic.notify": 0xfe_000 }, "memory", { width: 4 });
add("i32 i32 i64 -> i32", { "memory.atomic.wait32": 0xfe_001 }, "memory", { width: 4 });
add("", { "atomic.fence": 0xfe_003 }, "fence");
add("i32 -> i32", { "i32.atomic.load": 0xfe_010 }, "memory", { width: 4 });
add("i32 i32", { "i32.atomic.store": 0xfe_017 }, "memory", { width: 4 });
add("i32 i32 -> i32", { "i32.atomic.rmw.add": 0xfe_01e, "i32.atomic.rmw.sub": 0xfe_025 }, "memory", { width: 4 });

// Constants.
add("-> i32", { "i32.const": 0x41 }, "i32");
add("-> i64", { "i64.const": 0x42 }, "i64");
add("-> f32", { "f32.const": 0x43 }, "f32");
add("-> v128", { "v128.const": 0xfd_00c }, "words");

// i32.
add("i32 -> i32", { "i32.eqz": 0x45, "i32.clz": 0x67, "i32.ctz": 0x68, "i32.popcnt": 0x69 });
add("i32 -> i32", { "i32.extend8_s": 0xc0, "i32.extend16_s": 0xc1 });
add("i32 i32 -> i32", {
  "i32.eq": 0x46,
  "i32.ne": 0x47,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_s": 0x4a,
  "i32.gt_u": 0x4b,
});
add("i32 i32 -> i32", { "i32.le_s": 0x4c, "i32.le_u": 0x4d, "i32.ge_s": 0x4e, "i32.ge_u": 0x4f });
add("i32 i32 -> i32", { "i32.add": 0x6a, "i32.sub": 0x6b, "i32.mul": 0x6c, "i32.div_s": 0x6d, "i32.div_u": 0x6e });
add("i32 i32 -> i32", { "i32.rem_s": 0x6f, "i32.rem_u": 0x70, "i32.and": 0x71, "i32.or": 0x72, "i32.xor": 0x73 });
add("i32 i32 -> i32", { "i32.shl": 0x74, "i32.shr_s": 0x75, "i32.shr_u": 0x76, "i32.rotl": 0x77, "i32.rotr": 0x78 });

// f32.
add("f32 f32 -> i32", {
  "f32.eq": 0x5b,
  "f32.ne": 0x5c,
  "f32.lt": 0x5d,
  "f32.gt": 0x5e,
  "f32.le": 0x5f,
  "f32.ge": 0x60,
});
add("f32 -> f32", { "f32.abs": 0x8b, "f32.neg": 0x8c, "f32.ceil": 0x8d, "f32.floor": 0x8e, "f32.trunc": 0x8f });
add("f32 -> f32", { "f32.nearest": 0x90, "f32.sqrt": 0x91 });
add("f32 f32 -> f32", { "f32.add": 0x92, "f32.sub": 0x93, "f32.mul": 0x94, "f32.div": 0x95 });
add("f32 f32 -> f32", { "f32.min": 0x96, "f32.max": 0x97, "f32.copysign": 0x98 });

// Conversions.
add("f32 -> i32", { "i32.trunc_sat_f32_s": 0xfc_000, "i32.trunc_sat_f32_u": 0xfc_001, "i32.reinterpret_f32": 0xbc });
add("i32 -> f32", { "f32.convert_i32_s": 0xb2, "f32.convert_i32_u": 0xb3, "f32.reinterpret_i32": 0xbe });

// Lanes of vectors.
add("v128 v128 -> v128", { "i8x16.shuffle": 0xfd_00d }, "shuffle", { lanes: 32 });
add("v128 v128 -> v128", { "i8x16.swizzle": 0xfd_00e });
add("i32 -> v128", { "i8x16.splat": 0xfd_00f, "i16x8.splat": 0xfd_010, "i32x4.splat": 0xfd_011 });
add("f32 -> v128", { "f32x4.splat": 0xfd_013 });
add("v128 -> i32", { "i32x4.extract_lane": 0xfd_01b }, "lane", { lanes: 4 });
add("v128 i32 -> v128", { "i32x4.replace_lane": 0xfd_01c }, "lane", { lanes: 4 });
add("v128 -> f32", { "f32x4.extract_lane": 0xfd_01f }, "lane", { lanes: 4 });
add("v128 f32 -> v128", { "f32x4.replace_lane": 0xfd_020 }, "lane", { lanes: 4 });

// Vectors of bits.
add("v128 -> v128", { "v128.not": 0xfd_04d });
add("v128 v128 -> v128", { "v128.and": 0xfd_04e, "v128.andnot": 0xfd_04f, "v128.or": 0xfd_050, "v128.xor": 0xfd_051 });
add("v128 v128 v128 -> v128", { "v128.bitselect": 0xfd_052 });
add("v128 -> i32", { "v128.any_true": 0xfd_053, "i32x4.all_true": 0xfd_0a3, "i32x4.bitmask": 0xfd_0a4 });

// i32x4.
add("v128 v128 -> v128", {
  "i32x4.eq": 0xfd_037,
  "i32x4.ne": 0xfd_038,
  "i32x4.lt_s": 0xfd_039,
  "i32x4.lt_u": 0xfd_03a,
});
add("v128 v128 -> v128", {
  "i32x4.gt_s": 0xfd_03b,
  "i32x4.gt_u": 0xfd_03c,
  "i32x4.le_s": 0xfd_03d,
  "i32x4.le_u": 0xfd_03e,
});
add("v128 v128 -> v128", { "i32x4.ge_s": 0xfd_03f, "i32x4.ge_u": 0xfd_040 });
add("v128 v128 -> v128", { "i32x4.add": 0xfd_0ae, "i32x4.sub": 0xfd_0b1, "i32x4.mul": 0xfd_0b5 });
add("v128 v128 -> v128", {
  "i32x4.min_s": 0xfd_0b6,
  "i32x4.min_u": 0xfd_0b7,
  "i32x4.max_s": 0xfd_0b8,
  "i32x4.max_u": 0xfd_0b9,
});
add("v128 -> v128", { "i32x4.abs": 0xfd_0a0, "i32x4.neg": 0xfd_0a1 });
add("v128 i32 -> v128", { "i32x4.shl": 0xfd_0ab, "i32x4.shr_s": 0xfd_0ac, "i32x4.shr_u": 0xfd_0ad });
add("v128 -> v128", { "i32x4.trunc_sat_f32x4_s": 0xfd_0f8, "i32x4.trunc_sat_f32x4_u": 0xfd_0f9 });

// f32x4.
add("v128 v128 -> v128", { "f32x4.eq": 0xfd_041, "f32x4.ne": 0xfd_042, "f32x4.lt": 0xfd_043, "f32x4.gt": 0xfd_044 });
add("v128 v128 -> v128", { "f32x4.le": 0xfd_045, "f32x4.ge": 0xfd_046 });
add("v128 v128 -> v128", {
  "f32x4.add": 0xfd_0e4,
  "f32x4.sub": 0xfd_0e5,
  "f32x4.mul": 0xfd_0e6,
  "f32x4.div": 0xfd_0e7,
});
add("v128 v128 -> v128", {
  "f32x4.min": 0xfd_0e8,
  "f32x4.max": 0xfd_0e9,
  "f32x4.pmin": 0xfd_0ea,
  "f32x4.pmax": 0xfd_0eb,
});
add("v128 -> v128", {
  "f32x4.ceil": 0xfd_067,
  "f32x4.floor": 0xfd_068,
  "f32x4.trunc": 0xfd_069,
  "f32x4.nearest": 0xfd_06a,
});
add("v128 -> v128", { "f32x4.abs": 0xfd_0e0, "f32x4.neg": 0xfd_0e1, "f32x4.sqrt": 0xfd_0e3 });
add("v128 -> v128", { "f32x4.convert_i32x4_s": 0xfd_0fa, "f32x4.convert_i32x4_u": 0xfd_0fb });
add("v128 v128 v128 -> v128", { "f32x4.relaxed_madd": 0xfd_105, "f32x4.relaxed_nmadd": 0xfd_106 });

/** By name. */
export const opcodes: ReadonlyMap<string, Opcode> = table;
