/** @file Arrays of a device are copies: what the caller changes later does not change them, and the other way round. */
import { afterAll, describe, expect, test } from "vitest";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { openDevice } from "../../devices/open-device.ts";
import { traceGraph } from "../../index.ts";

const graph = traceGraph("same", [{ name: "x", dtype: "f32", shape: [3] }], ([x]) => [x as NonNullable<typeof x>]);
const make = () => ndarray([3], [1, 2, 3]);

describe.each(["interpreter", "cpu", "software"] as const)("%s", (kind) => {
  const opened = openDevice({ device: kind });
  afterAll(async () => (await opened).destroy());
  const numbersOf = async (array: { readonly read: () => Promise<NdArray> } | undefined) => [
    ...((await array?.read())?.data ?? []),
  ];

  test("an upload", async () => {
    const value = make();
    const array = (await opened).upload(value);
    value.data.fill(9);
    expect(await numbersOf(array)).toEqual([1, 2, 3]);
    (await array.read()).data.fill(9);
    expect(await numbersOf(array)).toEqual([1, 2, 3]);
  });

  test("an input that is returned as it is", async () => {
    const value = make();
    const compiled = await (await opened).compile(graph);
    const [output] = compiled.run({ x: value });
    value.data.fill(9);
    expect(await numbersOf(output)).toEqual([1, 2, 3]);
    compiled.destroy();
  });

  test("only numbers of the host are uploaded, as many as the shape says", async () => {
    const device = await opened;
    const array = device.upload(make());
    expect(() => device.upload(array as never)).toThrow("upload: the value is on a device; read it there first");
    expect(() => device.upload({ ...make(), shape: [2] })).toThrow(
      "upload: the value has 3 numbers; its shape [2] holds 2",
    );
  });
});
