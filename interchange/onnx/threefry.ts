/**
 * @file `randomBits` in ONNX, which has no counter-based generator: Threefry-2x32 with 20 rounds, as in
 * compiler/ops/threefry.ts, from integer ops. Words are u32 values in int64.
 */
import { at } from "../../compiler/graph/errors.ts";
import { parity, rotations } from "../../compiler/ops/threefry.ts";
import { low32, type Rule, written } from "./rule.ts";
import { broadcasting } from "./values.ts";
import type { OnnxWriter } from "./writer.ts";

export const randomBits: Rule<"randomBits"> = written(({ writer, operands }) => {
  const [k0 = "", k1 = "", c0 = "", c1 = ""] = broadcasting(operands).map((name) => writer.cast(name, "int64"));
  const xor = (a: string, b: string) => writer.op("BitwiseXor", [a, b]);
  const add = (a: string, b: string) => low32(writer, writer.op("Add", [a, b]));
  const number = (value: number) => writer.scalar(value, "int64");
  const keys = [k0, k1, xor(number(parity), xor(k0, k1))];
  let [x0, x1] = [add(c0, k0), add(c1, k1)];
  for (let group = 0; group < 5; group++) {
    for (let round = 0; round < 4; round++) {
      x0 = add(x0, x1);
      x1 = xor(rotatedLeft(writer, x1, at(rotations, (group % 2) * 4 + round)), x0);
    }
    x0 = add(x0, at(keys, (group + 1) % 3));
    x1 = add(add(x1, at(keys, (group + 2) % 3)), number(group + 1));
  }
  return writer.cast(x0, "u32");
});

/** A product with 2^bits (below 2^61) has the shifted bits below 2^32, and the rotated ones above. */
function rotatedLeft(writer: OnnxWriter, x: string, bits: number): string {
  const shifted = writer.op("Mul", [x, writer.scalar(2 ** bits, "int64")]);
  return writer.op("BitwiseOr", [low32(writer, shifted), writer.op("Div", [shifted, writer.scalar(2 ** 32, "int64")])]);
}
