/**
 * @file The messages of ONNX files that exported models need, with the field numbers of onnx.proto
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, IR version 8). The table is the schema: the types below are
 * derived from it, and `@bufbuild/protobuf` encodes with it. That library evaluates no generated code, so it works on pages
 * with a strict content security policy, and it has no dependencies; the npm package with ready-made ONNX messages depends
 * on an unmaintained release of protobufjs.
 */
import { create, createFileRegistry, toBinary } from "@bufbuild/protobuf";
import {
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { InternalError } from "../../compiler/graph/errors.ts";

/** The fields of each message: number and type, the name of a scalar type or of another message. */
const messages = {
  Model: {
    irVersion: [1, "int64"],
    producerName: [2, "string"],
    docString: [6, "string"],
    graph: [7, "Graph"],
    opsetImport: [8, "OperatorSetId", "repeated"],
    metadataProps: [14, "StringStringEntry", "repeated"],
  },
  OperatorSetId: { domain: [1, "string"], version: [2, "int64"] },
  StringStringEntry: { key: [1, "string"], value: [2, "string"] },
  Graph: {
    node: [1, "Node", "repeated"],
    name: [2, "string"],
    initializer: [5, "Tensor", "repeated"],
    input: [11, "ValueInfo", "repeated"],
    output: [12, "ValueInfo", "repeated"],
  },
  Node: {
    input: [1, "string", "repeated"],
    output: [2, "string", "repeated"],
    name: [3, "string"],
    opType: [4, "string"],
    attribute: [5, "Attribute", "repeated"],
  },
  Attribute: {
    name: [1, "string"],
    i: [3, "int64"],
    s: [4, "bytes"],
    g: [6, "Graph"],
    ints: [8, "int64", "repeated"],
    type: [20, "int32"],
  },
  Tensor: {
    dims: [1, "int64", "repeated"],
    dataType: [2, "int32"],
    name: [8, "string"],
    rawData: [9, "bytes"],
  },
  ValueInfo: { name: [1, "string"], type: [2, "Type"], docString: [3, "string"] },
  Type: { tensorType: [1, "TensorType"] },
  TensorType: { elemType: [1, "int32"], shape: [2, "TensorShape"] },
  TensorShape: { dim: [1, "Dimension", "repeated"] },
  Dimension: { dimValue: [1, "int64"], dimParam: [2, "string"] },
} as const satisfies Record<string, Record<string, Field>>;

type Field = readonly [number: number, type: string, label?: "repeated"];
type Messages = typeof messages;

interface Scalars {
  readonly int32: number;
  readonly int64: bigint;
  readonly string: string;
  readonly bytes: Uint8Array;
}

type ValueOf<T> = T extends keyof Scalars ? Scalars[T] : T extends keyof Messages ? Message<T> : never;
type FieldValue<F> = F extends readonly [number, infer T, "repeated"]
  ? readonly ValueOf<T>[]
  : F extends readonly [number, infer T]
    ? ValueOf<T>
    : never;

/** A message of the table, as a plain object. */
export type Message<M extends keyof Messages> = { readonly [F in keyof Messages[M]]?: FieldValue<Messages[M][F]> };

/** `AttributeProto.AttributeType` */
export const attributeTypes = { i: 2, s: 3, g: 5, ints: 7 } as const;

/** `TensorProto.DataType` */
export const dataTypes = { f32: 1, i32: 6, int64: 7, bool: 9, u32: 12 } as const;

const scalarTypes: Readonly<Record<string, Type>> = {
  int32: Type.INT32,
  int64: Type.INT64,
  string: Type.STRING,
  bytes: Type.BYTES,
};

function descriptors() {
  const fieldOf = ([name, [number, type, label]]: [string, Field]) => ({
    name,
    number,
    type: scalarTypes[type] ?? Type.MESSAGE,
    typeName: type in scalarTypes ? "" : `.onnx.${type}`,
    label: label === "repeated" ? Label.REPEATED : Label.OPTIONAL,
  });
  const messageType = Object.entries<Record<string, Field>>(messages).map(([name, fields]) => ({
    name,
    field: Object.entries(fields).map(fieldOf),
  }));
  const file = { name: "onnx.proto", package: "onnx", syntax: "proto2", messageType };
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
}

/** Returns the bytes of an .onnx file. */
export function encodeModelProto(model: Message<"Model">): Uint8Array {
  const descriptor = descriptors().getMessage("onnx.Model");
  if (descriptor === undefined) throw new InternalError("the schema of ONNX has no Model");
  return toBinary(descriptor, create(descriptor, model));
}
