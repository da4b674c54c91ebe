/** @file The safetensors codec: round trips, the bytes of the format, and a table of malicious files. */
import { describe, expect, test } from "vitest";
import { UserError } from "../../../compiler/graph/errors.ts";
import { ndarray } from "../../../compiler/graph/ndarray.ts";
import { decodeTensors, encodeTensors, withTensors } from "../../../train/files/safetensors.ts";
import { rowsSaid } from "../../trust/fault-table.ts";

/** A file with any header, as text or as JSON, and any number of bytes behind it. */
function file(header: unknown, data = 0, length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const tensor = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });

describe("a file that was written", () => {
  const tensors = {
    flags: ndarray([3], [1, 0, 1], "bool"),
    "layers/0/kernel": ndarray([2, 3], [1.5, -0, 0.1, 3e38, 1e-45, Number.NaN]),
    tokens: ndarray([2], [-5, 2 ** 31 - 1], "i32"),
    scalar: ndarray([], [4_000_000_000], "u32"),
    empty: ndarray([0, 4], []),
  };
  const metadata = { note: 'quotes " and ümlauts\n', __proto__x: "y" };
  const bytes = encodeTensors({ tensors, metadata });

  test("is read back: names, shapes, dtypes, and numbers rounded to f32", () => {
    const read = decodeTensors(bytes, "m");
    const kernel = tensors["layers/0/kernel"];
    expect(read.metadata).toEqual(metadata);
    expect(read.tensors).toEqual({
      ...tensors,
      "layers/0/kernel": { ...kernel, data: kernel.data.map(Math.fround) },
    });
  });

  test("has its data after a header padded to eight bytes, wide elements first", () => {
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    expect(header.flags).toEqual({ dtype: "BOOL", shape: [3], data_offsets: [36, 39] });
    expect(bytes.length).toBe(8 + length + 39);
    const begin = header["layers/0/kernel"].data_offsets[0];
    expect(new DataView(bytes.buffer).getFloat32(8 + length + begin, true)).toBe(1.5);
  });

  test("is read from within a larger buffer", () => {
    const larger = new Uint8Array(bytes.length + 7);
    larger.set(bytes, 3);
    expect(decodeTensors(larger.subarray(3, 3 + bytes.length), "m")).toEqual(decodeTensors(bytes, "m"));
  });

  test("cut short anywhere is a one-line error", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeTensors(bytes.subarray(0, length), "m"), `${length} bytes`).toThrow(UserError);
    }
  });

  test("can have a tensor named __proto__", () => {
    const read = decodeTensors(file('{"__proto__":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', 1), "m");
    expect(Object.keys(read.tensors)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(read.tensors)).toBe(Object.prototype);
  });
});

test("a file with the layout of another writer is read", () => {
  const header = { b: tensor("F32", [1], [0, 4]), a: tensor("I32", [2], [4, 12]) };
  const bytes = file(`${JSON.stringify(header)}   `, 12);
  new DataView(bytes.buffer).setFloat32(bytes.length - 12, 0.25, true);
  new DataView(bytes.buffer).setInt32(bytes.length - 4, -7, true);
  expect(decodeTensors(bytes, "m")).toEqual({
    metadata: {},
    tensors: { b: ndarray([1], [0.25]), a: ndarray([2], [0, -7], "i32") },
  });
});

/** A file with one tensor "a", and behind it one of a dtype that is not read. */
function fileOf(dtype: string, shape: readonly number[], data: Uint8Array): Uint8Array {
  const { length } = data;
  const bytes = file(
    { a: tensor(dtype, shape, [0, length]), z: tensor("F8_E4M3", [2], [length, length + 2]) },
    length + 2,
  );
  bytes.set(data, bytes.length - length - 2);
  return bytes;
}
const bytesOf = ({ buffer }: { readonly buffer: ArrayBufferLike }) => new Uint8Array(buffer);
const all16 = Uint16Array.from({ length: 65536 }, (_, i) => i);
const sameNumbers = (read: Float64Array, expected: (bits: number) => number) =>
  all16.forEach((bits) => {
    if (!Object.is(read[bits], expected(bits))) expect(read[bits], `bits ${bits}`).toBe(expected(bits));
  });

describe("dtypes of other writers", () => {
  test("F16: every number, including subnormal ones, infinities and NaN", () => {
    const { a } = decodeTensors(fileOf("F16", [65536], bytesOf(all16)), "m").tensors;
    expect(a).toMatchObject({ dtype: "f32", shape: [65536] });
    // 1 sign, 5 exponent, 10 fraction: as f32 by moving the bits, and scaling what is too small to be normal there.
    const f32 = new DataView(new ArrayBuffer(4));
    sameNumbers(a?.data ?? new Float64Array(), (bits) => {
      f32.setUint32(0, (((bits & 0x8000) << 16) | ((bits & 0x7fff) << 13)) >>> 0);
      return (bits & 0x7c00) === 0x7c00
        ? ([bits & 0x8000 ? -Infinity : Infinity, Number.NaN][Number((bits & 0x3ff) !== 0)] ?? 0)
        : f32.getFloat32(0) * 2 ** 112;
    });
    expect([0x0001, 0x83ff, 0x3c00, 0xc000, 0x7bff].map((bits) => a?.data[bits])).toEqual([
      2 ** -24,
      -1023 * 2 ** -24,
      1,
      -2,
      65504,
    ]);
  });

  test("BF16: every number is the f32 of its bits and sixteen zeros", () => {
    const { a } = decodeTensors(fileOf("BF16", [256, 256], bytesOf(all16)), "m").tensors;
    expect(a).toMatchObject({ dtype: "f32", shape: [256, 256] });
    const wide = new Float32Array(Uint32Array.from(all16, (bits) => bits * 65536).buffer);
    sameNumbers(a?.data ?? new Float64Array(), (bits) => wide[bits] ?? 0);
  });

  test.each([
    [
      "F64",
      new Float64Array([0.1, -1e-310, 3e38, Number.NaN, -Infinity]),
      "f32",
      [Math.fround(0.1), -0, Math.fround(3e38), Number.NaN, -Infinity],
    ],
    ["I64", new BigInt64Array([7n, -(2n ** 31n), 2n ** 31n - 1n]), "i32", [7, -(2 ** 31), 2 ** 31 - 1]],
    ["U64", new BigUint64Array([7n, 2n ** 32n - 1n]), "u32", [7, 2 ** 32 - 1]],
    ["I16", new Int16Array([-32768, 5]), "i32", [-32768, 5]],
    ["U16", new Uint16Array([65535, 5]), "i32", [65535, 5]],
    ["I8", new Int8Array([-128, 5]), "i32", [-128, 5]],
    ["U8", new Uint8Array([255, 5]), "i32", [255, 5]],
  ])("%s", (code, numbers, dtype, expected) => {
    const { a } = decodeTensors(fileOf(code, [numbers.length], bytesOf(numbers)), "m").tensors;
    expect(a).toEqual({ dtype, shape: [numbers.length], data: Float64Array.from(expected) });
  });

  test.each([
    ["F64", new Float64Array([1, 1e39]), 'm: tensor "a" is F64 and holds 1e+39, which does not fit into f32'],
    [
      "I64",
      new BigInt64Array([3_000_000_000n]),
      'm: tensor "a" is I64 and holds 3000000000, which does not fit into i32',
    ],
    ["U64", new BigUint64Array([2n ** 32n]), 'm: tensor "a" is U64 and holds 4294967296, which does not fit into u32'],
    ["F8_E5M2", new Uint8Array([1]), 'm: tensor "a" has dtype "F8_E5M2"; supported are F32, I32,'],
    ["constructor", new Uint8Array([1]), 'm: tensor "a" has dtype "constructor"; supported are F32, I32,'],
  ])("%s that does not fit is an error on access", (code, numbers, message) => {
    const { tensors } = decodeTensors(fileOf(code, [numbers.length], bytesOf(numbers)), "m");
    expect(Object.keys(tensors)).toEqual(["a", "z"]);
    expect(() => tensors.a).toThrow(message);
  });

  test("rewriting a file preserves the bits of tensors that are not replaced", () => {
    const before = fileOf("F16", [2], bytesOf(new Uint16Array([0x7e01, 0x3c00])));
    const same = withTensors(before, "m", { tensors: {}, metadata: { a: "b" } });
    expect(decodeTensors(same, "m").metadata).toEqual({ a: "b" });
    expect(same.slice(-6)).toEqual(before.slice(-6));
    // The same numbers are no change either, but for one.
    const one = withTensors(before, "m", { tensors: { a: ndarray([2], [Number.NaN, 1]) }, metadata: {} });
    expect(one.slice(-6)).toEqual(before.slice(-6));
    const other = withTensors(before, "m", { tensors: { a: ndarray([2], [Number.NaN, 1.5]) }, metadata: {} });
    expect(decodeTensors(other, "m").tensors.a).toEqual(ndarray([2], [Number.NaN, 1.5]));
    expect(other.slice(-2)).toEqual(before.slice(-2));
  });
});

const F = "F32";
/** Without a fault, it is no safetensors file at all: the header does not begin as one. */
const hostile: readonly [title: string, bytes: Uint8Array, fault: string | undefined][] = [
  ["nothing", new Uint8Array(0), "it has 0 bytes, too few for the length of a header"],
  ["seven bytes", new Uint8Array(7), "it has 7 bytes, too few for the length of a header"],
  ["no header", file(""), "its header is not a JSON object"],
  ["a header longer than the file", file("{}", 0, 3n), "its header claims 3 bytes; the file has 2"],
  ["a gigabyte header", file("{}", 0, 2n ** 30n), "its header claims 1073741824 bytes; at most 100000000 are allowed"],
  [
    "a header of 2^64 - 1",
    file("{}", 0, 2n ** 64n - 1n),
    "its header claims 18446744073709551615 bytes; at most 100000000 are allowed",
  ],
  ["text", new TextEncoder().encode("it was a dark and stormy night"), undefined],
  ["half of JSON", file('{"a":'), "its header is not a JSON object"],
  ["no UTF-8", file('{"?":1}').map((byte) => (byte === 0x3f ? 0xff : byte)), "its header is not a JSON object"],
  ["JSON nested without end", file('{"a":'.repeat(200_000)), "its header is not a JSON object"],
  ["a list", file([]), undefined],
  ["null", file("null"), undefined],
  ["metadata of numbers", file({ __metadata__: { a: 1 } }), "its __metadata__ is not a record of texts"],
  ["metadata in a list", file({ __metadata__: ["a"] }), "its __metadata__ is not a record of texts"],
  ["a tensor that is a number", file({ a: 1 }), 'tensor "a" is not described by a JSON object'],
  ["a dtype that is a number", file({ a: tensor(32, [1], [0, 4]) }, 4), 'tensor "a" has no dtype'],
  ["no dtype", file({ a: { shape: [], data_offsets: [0, 4] } }, 4), 'tensor "a" has no dtype'],
  [
    "halves of another size",
    file({ a: tensor("BF16", [1], [0, 4]) }, 4),
    'tensor "a" needs 2 bytes and its data_offsets span 4',
  ],
  [
    "offsets of an unknown dtype in the wrong order",
    file({ a: tensor("F8_E4M3", [1], [1, 0]) }, 1),
    'tensor "a" needs 1 bytes and its data_offsets span -1',
  ],
  [
    "a negative axis",
    file({ a: tensor(F, [-1, -1], [0, 4]) }, 4),
    'tensor "a" has a shape that is not a list of whole numbers',
  ],
  [
    "half an axis",
    file({ a: tensor(F, [0.5, 2], [0, 4]) }, 4),
    'tensor "a" has a shape that is not a list of whole numbers',
  ],
  [
    "a shape that is a text",
    file({ a: tensor(F, "1", [0, 4]) }, 4),
    'tensor "a" has a shape that is not a list of whole numbers',
  ],
  ["one offset", file({ a: tensor(F, [1], [0]) }, 4), 'tensor "a" has data_offsets that are not two whole numbers'],
  [
    "a negative offset",
    file({ a: tensor(F, [1], [-4, 0]) }, 4),
    'tensor "a" has data_offsets that are not two whole numbers',
  ],
  [
    "an offset beyond exact numbers",
    file({ a: tensor(F, [1], [0, 2 ** 53]) }, 4),
    'tensor "a" has data_offsets that are not two whole numbers',
  ],
  [
    "offsets that disagree with the shape",
    file({ a: tensor(F, [2], [0, 4]) }, 4),
    'tensor "a" needs 8 bytes and its data_offsets span 4',
  ],
  [
    "offsets in the wrong order",
    file({ a: tensor(F, [1], [4, 0]) }, 4),
    'tensor "a" needs 4 bytes and its data_offsets span -4',
  ],
  [
    "a shape whose product overflows",
    file({ a: tensor(F, [2 ** 52, 2 ** 52], [0, 0]) }),
    'tensor "a" needs 8.112963841460668e+31 bytes and its data_offsets span 0',
  ],
  [
    "a tensor beyond the end",
    file({ a: tensor(F, [4], [0, 16]) }, 8),
    'tensor "a" ends at byte 16 of 8; the file is cut short',
  ],
  [
    "a petabyte tensor",
    file({ a: tensor(F, [2 ** 48], [0, 2 ** 50]) }, 8),
    'tensor "a" ends at byte 1125899906842624 of 8; the file is cut short',
  ],
  [
    "overlapping tensors",
    file({ a: tensor(F, [2], [0, 8]), b: tensor(F, [1], [4, 8]) }, 8),
    'tensor "b" overlaps another',
  ],
  [
    "one range for two tensors",
    file({ a: tensor(F, [1], [0, 4]), b: tensor(F, [1], [0, 4]) }, 4),
    'tensor "b" overlaps another',
  ],
  [
    "a hole",
    file({ a: tensor(F, [1], [0, 4]), b: tensor(F, [1], [8, 12]) }, 12),
    '4 bytes before tensor "b" belong to no tensor',
  ],
  ["bytes at the end", file({ a: tensor(F, [1], [0, 4]) }, 7), "3 bytes at its end belong to no tensor"],
  ["data and no tensor", file({}, 5), "5 bytes at its end belong to no tensor"],
  [
    "a name with line breaks, without end",
    file({ [`a\n${"b".repeat(1e6)}`]: 1 }),
    `tensor "a\\n${"b".repeat(58)}…" is not described by a JSON object`,
  ],
];

test.each(hostile)("%s is refused in one line", (_, bytes, fault) => {
  const error = (() => {
    try {
      return decodeTensors(bytes, "model.safetensors");
    } catch (error) {
      return error;
    }
  })();
  const line =
    fault === undefined ? "a safetensors file, the format of models and weights" : `a valid safetensors file: ${fault}`;
  expect(error).toEqual(new UserError(`model.safetensors is not ${line}`));
  expect((error as Error).message).not.toContain("\n");
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("train/files/safetensors.test.ts")).toBe(hostile.length);
});

test("a tensor cannot have the name of the metadata", () => {
  expect(() => encodeTensors({ tensors: { __metadata__: ndarray([], [1]) }, metadata: {} })).toThrow(
    "a tensor cannot be called __metadata__",
  );
});
