/**
 * @file The bytes of TensorBoard's event files: TFRecords of `Event` messages (event.proto and summary.proto of TensorFlow).
 *
 *   file   ::= record*            the first has the version of the format
 *   record ::= length check(length) event check(event)         length: 8 bytes, the checks 4, all little-endian
 *
 * The check of bytes is their CRC-32C, turned and shifted, so that the check of a record within a record is another number.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { crc32c } from "./crc32c.ts";

/** What happened at a time, in seconds since 1970. */
interface Event {
  readonly time: number;
  readonly step?: number;
  readonly version?: string;
  readonly values?: readonly Value[];
}

/** A number, or a text in Markdown. */
type Value = { readonly tag: string } & ({ readonly number: number } | { readonly text: string });

/** Tensors of text have this type. */
const stringType = 7;

/** The record of an event. */
export function eventRecord(event: Event): Uint8Array {
  const data = eventMessage(event);
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return record;
}

function masked(bytes: Uint8Array): number {
  const check = crc32c(bytes);
  return (((check >>> 15) | (check << 17)) + 0xa282ead8) >>> 0;
}

function eventMessage({ time, step = 0, version, values = [] }: Event): Uint8Array {
  const message = new BinaryWriter().tag(1, WireType.Bit64).double(time);
  // As others write it: a field that is 0 is left out.
  if (step > 0) message.tag(2, WireType.Varint).int64(step);
  if (version !== undefined) message.tag(3, WireType.LengthDelimited).string(version);
  if (values.length > 0) {
    message.tag(5, WireType.LengthDelimited).fork();
    for (const value of values) writeValue(message.tag(1, WireType.LengthDelimited).fork(), value).join();
    message.join();
  }
  return message.finish();
}

function writeValue(message: BinaryWriter, value: Value): BinaryWriter {
  message.tag(1, WireType.LengthDelimited).string(value.tag);
  if ("number" in value) return message.tag(2, WireType.Bit32).float(Math.fround(value.number));
  // A tensor with one text, and the plugin that shows it.
  message.tag(8, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(stringType);
  message.tag(2, WireType.LengthDelimited).fork().tag(2, WireType.LengthDelimited).fork();
  message.tag(1, WireType.Varint).int64(1).join().join();
  message.tag(8, WireType.LengthDelimited).string(value.text).join();
  message.tag(9, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
  return message.tag(1, WireType.LengthDelimited).string("text").join().join();
}
