/** @file Reads event files of TensorBoard, independently of the writer: the checksums are the test of the bytes themselves. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

type Fields = Readonly<Record<number, unknown[]>>;

export interface ReadEvent {
  /** Seconds since 1970. */
  readonly time: number;
  readonly step: number;
  readonly version?: string;
  /** A number, or the bytes of a tensor. */
  readonly values: readonly { readonly tag: string; readonly number?: number; readonly text?: string }[];
}

/** The events of a file. */
export function eventsIn(file: Uint8Array): ReadEvent[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const events: ReadEvent[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    events.push(eventOf(fieldsOf(file.subarray(at + 12, at + 12 + length))));
    at += length + 16;
  }
  return events;
}

function eventOf(fields: Fields): ReadEvent {
  const [time, step = 0, version, summary] = [1, 2, 3, 5].map((field) => fields[field]?.[0]);
  const { 1: values = [] } = summary === undefined ? {} : fieldsOf(summary as Uint8Array);
  return {
    time: Number(time),
    step: Number(step),
    ...(version !== undefined && { version: textOf(version) }),
    values: values.map((value) => {
      const { 1: [tag] = [], 2: [number] = [], 8: [tensor] = [] } = fieldsOf(value as Uint8Array);
      const { 8: [text] = [] } = tensor === undefined ? {} : fieldsOf(tensor as Uint8Array);
      return {
        tag: textOf(tag),
        ...(number !== undefined && { number: Number(number) }),
        ...(text !== undefined && { text: textOf(text) }),
      };
    }),
  };
}

const textOf = (bytes: unknown) => new TextDecoder().decode(bytes as Uint8Array);

/** The values of each field of a message: numbers, or bytes. */
function fieldsOf(bytes: Uint8Array): Record<number, unknown[]> {
  const reader = new BinaryReader(bytes);
  const fields: Record<number, unknown[]> = {};
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const read = { [WireType.Bit64]: "double", [WireType.Bit32]: "float", [WireType.Varint]: "int64" } as const;
    const method = type in read ? read[type as keyof typeof read] : "bytes";
    fields[field] ??= [];
    fields[field].push(reader[method]());
  }
  return fields;
}
