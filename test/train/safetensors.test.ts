/** @file The safetensors codec: what it writes it reads, bytes as the format says, and a table of hostile files. */
import { describe, expect, test } from "vitest";
import { UserError } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { decodeTensors, encodeTensors } from "../../train/safetensors.ts";
import { rowsSaid } from "../trust/fault-table.ts";

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

  test("comes back: names, shapes, dtypes, and numbers as f32 holds them", () => {
    const read = decodeTensors(bytes, "m");
    const kernel = tensors["layers/0/kernel"];
    expect(read.metadata).toEqual(metadata);
    expect(read.tensors).toEqual({
      ...tensors,
      "layers/0/kernel": { ...kernel, data: kernel.data.map(Math.fround) },
    });
  });

  test("has its data behind a header padded to eight bytes, wide elements first", () => {
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    expect(header.flags).toEqual({ dtype: "BOOL", shape: [3], data_offsets: [36, 39] });
    expect(bytes.length).toBe(8 + length + 39);
    const begin = header["layers/0/kernel"].data_offsets[0];
    expect(new DataView(bytes.buffer).getFloat32(8 + length + begin, true)).toBe(1.5);
  });

  test("is read where it lies within a larger buffer", () => {
    const larger = new Uint8Array(bytes.length + 7);
    larger.set(bytes, 3);
    expect(decodeTensors(larger.subarray(3, 3 + bytes.length), "m")).toEqual(decodeTensors(bytes, "m"));
  });

  test("cut short anywhere is refused in one line", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeTensors(bytes.subarray(0, length), "m"), `${length} bytes`).toThrow(UserError);
    }
  });

  test("keeps a tensor that is called __proto__ a tensor", () => {
    const read = decodeTensors(file('{"__proto__":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', 1), "m");
    expect(Object.keys(read.tensors)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(read.tensors)).toBe(Object.prototype);
  });
});

test("a file as another writer lays it out is read", () => {
  const header = { b: tensor("F32", [1], [0, 4]), a: tensor("I32", [2], [4, 12]) };
  const bytes = file(`${JSON.stringify(header)}   `, 12);
  new DataView(bytes.buffer).setFloat32(bytes.length - 12, 0.25, true);
  new DataView(bytes.buffer).setInt32(bytes.length - 4, -7, true);
  expect(decodeTensors(bytes, "m")).toEqual({
    metadata: {},
    tensors: { b: ndarray([1], [0.25]), a: ndarray([2], [0, -7], "i32") },
  });
});

const F = "F32";
/** Without a fault, it is no safetensors file at all: the header does not begin as one. */
const hostile: readonly [title: string, bytes: Uint8Array, fault: string | undefined][] = [
  ["nothing", new Uint8Array(0), "it has 0 bytes, too few for the length of a header"],
  ["seven bytes", new Uint8Array(7), "it has 7 bytes, too few for the length of a header"],
  ["no header", file(""), "its header is not a JSON object"],
  ["a header longer than the file", file("{}", 0, 3n), "its header claims 3 bytes, and 2 are there"],
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
  [
    "an unknown dtype",
    file({ a: tensor("F8_E4M3", [1], [0, 1]) }, 1),
    'tensor "a" has dtype "F8_E4M3"; expected F32, I32, U32, BOOL',
  ],
  [
    "floats of another width",
    file({ a: tensor("BF16", [1], [0, 2]) }, 2),
    'tensor "a" has dtype "BF16"; expected F32, I32, U32, BOOL (convert it to float32, which is F32)',
  ],
  [
    "a dtype out of the prototype",
    file({ a: tensor("constructor", [1], [0, 1]) }, 1),
    'tensor "a" has dtype "constructor"; expected F32, I32, U32, BOOL',
  ],
  [
    "no dtype",
    file({ a: { shape: [], data_offsets: [0, 4] } }, 4),
    'tensor "a" has dtype "undefined"; expected F32, I32, U32, BOOL',
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
    '4 bytes before tensor "b" belong to none',
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
    fault === undefined
      ? "a safetensors file, in which models and weights are kept"
      : `a valid safetensors file: ${fault}`;
  expect(error).toEqual(new UserError(`model.safetensors is not ${line}`));
  expect((error as Error).message).not.toContain("\n");
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("train/safetensors.test.ts")).toBe(hostile.length);
});

test("a tensor cannot take the name of the metadata", () => {
  expect(() => encodeTensors({ tensors: { __metadata__: ndarray([], [1]) }, metadata: {} })).toThrow(
    "a tensor cannot be called __metadata__",
  );
});
