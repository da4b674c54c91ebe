/**
 * @file Malicious model files: JSON that readers interpret differently, prototype names, strings that could be run as code.
 * Reading one runs no code and changes nothing; only numbers and names are used.
 */
import { execFile } from "node:child_process";
import { expect, test } from "vitest";
import { UserError } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { decodeModel, encodeModel } from "../../train/files/model-file.ts";
import { repeatedKey } from "../../train/files/repeated-key.ts";
import { decodeTensors, encodeTensors } from "../../train/files/safetensors.ts";
import { decodeCell } from "../../train/files/traced-cell-json.ts";
import { Workspace } from "../cli/run.ts";
import { root } from "../docs/pages.ts";
import { slow } from "../support/some-of.ts";
import { damaged, faultOf, seriesSaved, small } from "../train/files/saved-models.ts";
import { lineOf, rowsSaid } from "./fault-table.ts";

/** The small model with its header's text changed; offsets count from behind it, so any length will do. */
function withHeader(change: (text: string) => string): Uint8Array {
  const length = Number(new DataView(small.buffer, small.byteOffset).getBigUint64(0, true));
  const text = new TextEncoder().encode(change(new TextDecoder().decode(small.subarray(8, 8 + length))));
  const bytes = new Uint8Array(8 + text.length + small.length - 8 - length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(small.subarray(8 + length), 8 + text.length);
  return bytes;
}

const having = (key: string, value: string) =>
  damaged((metadata) => {
    Object.defineProperty(metadata, key, { value, enumerable: true, configurable: true, writable: true });
  });
const header = "m.safetensors is not a valid safetensors file: its header";
const model = "m.safetensors is not a usable model:";

const refused: readonly (readonly [given: string, bytes: Uint8Array, line: string])[] = [
  [
    "a tensor twice, for readers who take the first and readers who take the last",
    withHeader((text) => text.replace("{", '{"head/bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},')),
    `${header} names "head/bias" twice`,
  ],
  [
    "a key twice, once in escapes",
    withHeader((text) => text.replace('"dtype":"F32"', '"dtype":"F32","\\u0064type":"I32"')),
    `${header} names "dtype" twice`,
  ],
  [
    "metadata twice",
    withHeader((text) => text.replace("{", '{"__metadata__":{},')),
    `${header} names "__metadata__" twice`,
  ],
  [
    "sizes with a key twice",
    having("sizes", '{"units":2,"units":2,"layers":1,"embed":2}'),
    `${model} its sizes is missing or damaged; expected units, layers and optionally embed`,
  ],
  [
    "a graph with a key twice",
    having("graph", '{"version":1,"version":1}'),
    `${model} the graph names "version" twice`,
  ],
  [
    "a prototype among the sizes",
    having("sizes", '{"__proto__":{"units":2},"units":2,"layers":1}'),
    `${model} its sizes is missing or damaged; expected units, layers and optionally embed`,
  ],
  [
    "a parameter called like a method of every object",
    having("parameters", '["toString"]'),
    `${model} parameter "toString" is missing`,
  ],
  [
    "an op called like a method of every object",
    having(
      "graph",
      '{"version":1,"graph":{"name":"x","nodes":[{"op":"constructor","operands":[],"attrs":{},"aval":{"dtype":"f32","shape":[]}}],"inputs":[],"outputs":[0]}}',
    ),
    `${model} `,
  ],
  ...[
    ["no name for its cell", ""],
    ["a cell's name that clears the screen", "\u001b[2Jlstm"],
    ["a cell's name of two lines", "lstm\ncellgrad: all is well"],
    ["a cell's name of 100 kB", "x".repeat(100_000)],
  ].map(
    ([given = "", name = ""]) =>
      [given, having("cell", name), `${model} its cell is missing or damaged; expected a printable name`] as const,
  ),
  ["a graph of code", having("graph", "process.exit(1)//"), `${model} the graph is not JSON`],
  [
    "a record of code",
    having("training", "(()=>process.exit(1))()"),
    `${model} its training is missing or damaged; expected a record of numbers and texts`,
  ],
  [
    "a vocabulary of code",
    having("vocabulary", '["a","process.exit(1)"]'),
    `${model} its vocabulary is missing or damaged; expected a list of different characters`,
  ],
];

test.each(refused)("%s gives a one-line error", (_given, bytes, line) => {
  const fault = faultOf(bytes);
  expect(fault).toBeInstanceOf(UserError);
  expect((fault as UserError).message.slice(0, line.length)).toBe(line);
  expect((fault as UserError).message).not.toContain("\n");
});

test("two of them are in the table of faults, which says how many there are", () => {
  expect(rowsSaid("trust/hostile-models.test.ts")).toBe(refused.length);

  const lineFor = (given: string) =>
    (faultOf(refused.find(([name]) => name === given)?.[1] ?? small) as UserError).message;
  const [twice, code] = [
    "a tensor twice, for readers who take the first and readers who take the last",
    "a graph of code",
  ];
  expect(lineFor(twice)).toMatch(lineOf("a model in which a tensor is named twice"));
  expect(lineFor(code)).toMatch(lineOf("a model whose graph is code"));
});

test("no file reaches the prototype of objects", () => {
  const hostile = '{"polluted":"yes"}';
  const files = [
    withHeader((text) => text.replace("{", `{"__proto__":${hostile},`)),
    having("__proto__", hostile),
    having("constructor", `{"prototype":${hostile}}`),
    having("training", `{"__proto__":${hostile}}`),
    having("run", `{"__proto__":${hostile},"constructor":{"prototype":${hostile}}}`),
    having("tuned", `{"__proto__":${hostile}}`),
  ];
  for (const bytes of files) faultOf(bytes);
  const tensors = withHeader((text) => text.replace('"head/bias"', '"__proto__"'));
  expect(Object.keys(decodeTensors(tensors, "m").tensors)).toContain("__proto__");
  expect(Object.getPrototypeOf(decodeTensors(tensors, "m").tensors)).toBe(Object.prototype);
  expect((Object.prototype as { polluted?: string }).polluted).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
});

test("a model full of code strings works in a process that cannot compile code", slow, async () => {
  const code = "');globalThis.process?.exit(3);//*/`process.exit(3)`\n}fn main(){}\u2028import('node:fs')";
  const space = new Workspace();
  const path = space.write(
    "hostile.safetensors",
    encodeModel({ ...seriesSaved, cell: code, columns: [code, `b${code}`], training: { [code]: code } }),
  );
  expect(decodeModel(encodeModel({ ...seriesSaved, cell: code }), "m").cell).toBe(code.replace(/[\n\u2028]/g, "?"));
  const table = space.write("rows.csv", `${[code, `b${code}`].map((name) => `"${name}"`).join(",")}\n1,2\n3,4\n`);
  const command = ["bin/cellgrad.mjs", "forecast", path, table, "--horizon", "1", "--device", "interpreter", "--json"];
  const { stdout, failure } = await new Promise<{ stdout: string; failure: Error | null }>((resolve) => {
    execFile(
      process.execPath,
      ["--disallow-code-generation-from-strings", ...command],
      { cwd: root },
      (failure, stdout, stderr) => resolve({ stdout: stdout + stderr, failure }),
    );
  });
  space.remove();
  expect(failure, stdout).toBeNull();
  expect(JSON.parse(stdout)).toMatchObject({ columns: [code, `b${code}`] });
});

test("duplicate keys are found in any spelling, and nothing else is", () => {
  expect(repeatedKey('{"a":{"b":1},"c":[{"b":1},{"b":2}],"d":"\\"a\\":"}')).toBeUndefined();
  expect(repeatedKey('[{"a":1},{"a":[{"x":1,"y":2,"x":3}]}]')).toBe("x");
  expect(repeatedKey('{"a\\\\":1,"a":2}')).toBeUndefined();
  expect(repeatedKey('{"\\u0061":1, "a" : 2}')).toBe("a");
  expect(repeatedKey('{"__proto__":1,"__proto__":2}')).toBe("__proto__");
  expect(() => decodeCell('{"version":1,"version":1}')).toThrow("the cell: expected JSON without repeated keys");
});

test("a tensor with the name of the metadata, or without an array, is not written", () => {
  expect(() => encodeTensors({ tensors: { __metadata__: ndarray([], [1]) }, metadata: {} })).toThrow(
    "a tensor cannot be called __metadata__",
  );
});
