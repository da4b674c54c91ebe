/**
 * @file GPUBuffers of other owners as arrays, and buffers of arrays for commands of one's own: nothing is copied, nothing of
 * theirs is freed or kept, and what cannot be used is one line.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { deviceOn } from "../../devices/webgpu.ts";
import {
  add,
  type Device,
  type DeviceArray,
  type DType,
  matmul,
  mul,
  openDevice,
  type Tensor,
  traceGraph,
} from "../../index.ts";
import { contextOnDeviceOf } from "../../runtime/foreign-device.ts";
import { doubleOwn, type OwnedDevice, ownBuffer, ownedDevice, readOwn } from "../support/owned-device.ts";
import { lineOf, lineOfPromise, whatever } from "../support/refused.ts";

type Float = Tensor<"f32">;
const tripled = traceGraph("tripled", [{ name: "x", dtype: "f32", shape: ["N", 2] }], ([x]) => [mul(x as Float, 3)]);
const six = Float32Array.of(1, 2, 3, 4, 5, 6);
const usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, STORAGE: 128 };

let owner: OwnedDevice;
let gpuDevice: GPUDevice;
let device: Device;
beforeAll(async () => {
  owner = await ownedDevice();
  gpuDevice = owner.device;
  device = await openDevice({ gpuDevice });
});
afterAll(() => {
  device.destroy();
  expect([owner.heard, owner.ends()]).toEqual([[], 0]);
  gpuDevice.destroy();
});

const numbersOf = async (array: DeviceArray | undefined) => [...((await array?.read())?.data ?? [])];

test("a run reads the owner's buffer as it is then, with no copy, and counts none of its bytes", async () => {
  const theirs = ownBuffer(gpuDevice, six);
  const executable = await device.compile(tripled);
  const memory = device.memory();
  const made = owner.buffers.size;
  const x = device.wrap(theirs, { shape: [3, 2] });
  expect([x.shape, x.dtype, x.buffer === theirs]).toEqual([[3, 2], "f32", true]);
  expect([device.memory(), owner.buffers.size]).toEqual([memory, made]);
  const [first] = executable.run({ x });
  expect(await numbersOf(first)).toEqual([3, 6, 9, 12, 15, 18]);
  gpuDevice.queue.writeBuffer(theirs, 4, Float32Array.of(-1));
  const [second] = executable.run({ x });
  expect(await numbersOf(second)).toEqual([3, -3, 9, 12, 15, 18]);
  expect(await numbersOf(x)).toEqual([1, -1, 3, 4, 5, 6]);
  // The first four of a buffer of six.
  const [part] = executable.run({ x: device.wrap(theirs, { shape: [2, 2] }) });
  expect(await numbersOf(part)).toEqual([3, -3, 9, 12]);
  executable.destroy();
});

test("nothing is kept that holds a buffer of others", async () => {
  const executable = await device.compile(tripled);
  const made = vi.spyOn(gpuDevice, "createBindGroup");
  const groupsOf = (x: DeviceArray) => {
    made.mockClear();
    executable.run({ x })[0]?.destroy();
    return made.mock.calls.length;
  };
  const [theirs, ours] = [
    device.wrap(ownBuffer(gpuDevice, six), { shape: [3, 2] }),
    device.upload(ndarray([3, 2], six)),
  ];
  expect([groupsOf(ours), groupsOf(ours)]).toEqual([1, 0]);
  expect([groupsOf(theirs), groupsOf(theirs)]).toEqual([1, 1]);
  made.mockRestore();
  executable.destroy();
});

test("whole numbers and truth values", async () => {
  const graph = traceGraph("all", [{ name: "i", dtype: "i32", shape: ["N"] }], ([i]) => [add(i as Tensor<"i32">, 1)]);
  const executable = await device.compile(graph);
  const theirs = gpuDevice.createBuffer({ size: 8, usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST });
  gpuDevice.queue.writeBuffer(theirs, 0, Int32Array.of(-7, 1));
  const [result] = executable.run({ i: device.wrap(theirs, { shape: [2], dtype: "i32" }) });
  expect(await numbersOf(result)).toEqual([-6, 2]);
  gpuDevice.queue.writeBuffer(theirs, 0, Uint32Array.of(0, 1));
  expect(await device.wrap(theirs, { shape: [2], dtype: "bool" }).read()).toEqual(ndarray([2], [0, 1], "bool"));
  executable.destroy();
});

test("a wrapped buffer is neither freed nor used for anything else", async () => {
  const other = await openDevice({ gpuDevice });
  const theirs = ownBuffer(gpuDevice, six, 32);
  const executable = await other.compile(tripled);
  const x = other.wrap(theirs, { shape: [3, 2] });
  executable.run({ x })[0]?.destroy();
  x.destroy();
  // Of the same size and usage: from the pool, if it were there.
  const uploads = [1, 2].map((value) => other.upload(ndarray([8], Array(8).fill(value))));
  expect(uploads.map(({ buffer }) => buffer).includes(theirs)).toBe(false);
  await numbersOf(uploads[0]);
  executable.destroy();
  other.trim();
  other.destroy();
  expect(owner.buffers.has(theirs)).toBe(true);
  expect(await readOwn(gpuDevice, theirs, 6)).toEqual([...six]);
});

test("a run that it is donated to writes into it, and what is left is the owner's", async () => {
  const theirs = ownBuffer(gpuDevice, six);
  const executable = await device.compile(tripled, { donate: { x: 0 } });
  const x = device.wrap(theirs, { shape: [3, 2] });
  const [result] = executable.run({ x });
  expect(lineOf(() => x.buffer)).toMatch(/^this array was destroyed, or donated/);
  expect(lineOf(() => executable.run({ x }))).toMatch(/^tripled: input x was destroyed, or donated/);
  expect(result?.buffer).toBe(theirs);
  const [again] = executable.run({ x: result as DeviceArray });
  expect(await readOwn(gpuDevice, theirs, 6)).toEqual([9, 18, 27, 36, 45, 54]);
  again?.destroy();
  expect(owner.buffers.has(theirs)).toBe(true);
  // One buffer twice, where one of the two is overwritten.
  const pair = traceGraph(
    "pair",
    [
      { name: "x", dtype: "f32", shape: [6] },
      { name: "y", dtype: "f32", shape: [6] },
    ],
    ([x, y]) => [add(x as Float, y as Float)],
  );
  const added = await device.compile(pair, { donate: { x: 0 } });
  const twice = { x: device.wrap(theirs, { shape: [6] }), y: device.wrap(theirs, { shape: [6] }) };
  expect(lineOf(() => added.run(twice))).toMatch(/^pair: inputs x and y are the same array/);
  added.destroy();
  executable.destroy();
});

describe("the buffer of an array", () => {
  test("is read and written by its owner's own commands, until the array is destroyed", async () => {
    const executable = await device.compile(tripled);
    const x = device.upload(ndarray([3, 2], six));
    const encoder = gpuDevice.createCommandEncoder();
    doubleOwn(gpuDevice, encoder, x.buffer as GPUBuffer);
    gpuDevice.queue.submit([encoder.finish()]);
    const [result] = executable.run({ x });
    expect(await readOwn(gpuDevice, result?.buffer as GPUBuffer, 6)).toEqual([6, 12, 18, 24, 30, 36]);
    x.destroy();
    expect(lineOf(() => x.buffer)).toMatch(/^this array was destroyed/);
    executable.destroy();
  });

  test("is none of a result that the host reads, of an array in several, and of other devices", async () => {
    const executable = await device.compile(tripled, { readback: [0] });
    const [staged] = executable.run({ x: ndarray([3, 2], six) });
    expect(lineOf(() => staged?.buffer)).toMatch(/^this is a readback result, which only the host can read/);
    await staged?.read();
    executable.destroy();
    const context = await contextOnDeviceOf(gpuDevice);
    const inPages = deviceOn(context, 64).upload(ndarray([40], Array(40).fill(1)));
    expect(lineOf(() => inPages.buffer)).toBe(
      "this array is in 3 GPUBuffers, since one cannot hold it; read it, or make it smaller",
    );
    context.destroy();
    for (const kind of ["cpu", "interpreter", "software"] as const) {
      const without = await openDevice({ device: kind });
      if (kind !== "software") expect(without.upload(ndarray([2], [1, 2])).buffer).toBeUndefined();
      expect(lineOf(() => without.wrap(ownBuffer(gpuDevice, six), { shape: [6] }))).toBe(
        `wrap: device "${kind}" takes no GPUBuffers; open the device with gpuDevice`,
      );
      without.destroy();
    }
  });

  test("is not wrapped again", () => {
    const { buffer } = device.upload(ndarray([2], [1, 2]));
    expect(lineOf(() => device.wrap(buffer as GPUBuffer, { shape: [2] }))).toBe(
      "wrap: the buffer is that of an array of this device; use the array",
    );
  });
});

describe("one line says what is wrong with", () => {
  const theirs = (size = 24, flags = usage.STORAGE | usage.COPY_SRC | usage.COPY_DST) =>
    gpuDevice.createBuffer({ size, usage: flags });
  const line = (buffer: unknown, options: object) => lineOf(() => device.wrap(whatever(buffer), whatever(options)));

  test.each<[string, unknown, object, string]>([
    ["null", null, { shape: [1] }, "wrap: the buffer is null; expected a GPUBuffer"],
    ["numbers", six, { shape: [6] }, "wrap: the buffer is a Float32Array; expected a GPUBuffer"],
    ["another object", {}, { shape: [1] }, "wrap: the buffer is an object; expected a GPUBuffer"],
  ])("%s", (_, buffer, options, said) => expect(line(buffer, options)).toBe(said));

  test("options", () => {
    expect(line(theirs(), { shape: [6], offset: 256 })).toBe("wrap: there is no option offset; it takes shape, dtype");
    expect(line(theirs(), { shape: [6], dtype: "f16" })).toBe(
      'wrap: dtype is "f16"; expected "f32" or "i32" or "u32" or "bool"',
    );
    const list = "expected a list of whole numbers, such as [2, 3]";
    expect(line(theirs(), {})).toBe(`wrap: the shape is undefined; ${list}`);
    expect(line(theirs(), { shape: [2, -1] })).toBe(`wrap: the shape is [2, -1]; ${list}`);
    expect(line(theirs(), { shape: ["B", 2.5] })).toBe(`wrap: the shape is ["B", 2.5]; ${list}`);
  });

  test("a mapped buffer, and sizes that cannot be bound", async () => {
    const mapped = gpuDevice.createBuffer({ size: 24, usage: usage.STORAGE, mappedAtCreation: true });
    expect(line(mapped, { shape: [6] })).toBe("wrap: the buffer is mapped; unmap it first");
    mapped.unmap();
    expect(line(mapped, { shape: [6] })).toBe("no error");
    expect(line(theirs(26), { shape: [6] })).toBe("wrap: the buffer has 26 bytes; expected a multiple of 4");
    const large = theirs(128 * 2 ** 20 + 16);
    expect(line(large, { shape: [6] })).toBe(
      "wrap: the buffer has 128.0 MiB, and this device binds at most 128.0 MiB; copy the part to a smaller one",
    );
    large.destroy();
  });

  test("any size, shape and usage: it is refused, or it has the numbers", async () => {
    const flags = fc.subarray(["STORAGE", "COPY_SRC", "COPY_DST"] as const);
    const dtypes = fc.constantFrom<DType>("f32", "i32", "u32", "bool");
    await fc.assert(
      fc.asyncProperty(
        fc.nat(24).map((words) => 4 * words),
        fc.array(fc.nat(4), { maxLength: 3 }),
        dtypes,
        flags,
        async (size, shape, dtype, names) => {
          const buffer = gpuDevice.createBuffer({
            size,
            usage: names.reduce((all, name) => all | usage[name], 0) || usage.COPY_DST,
          });
          const bytes = Math.max(4, 4 * shape.reduce((product, extent) => product * extent, 1));
          const expected = !names.includes("STORAGE")
            ? "wrap: the buffer has no usage STORAGE; its owner must create it with GPUBufferUsage.STORAGE"
            : size < bytes
              ? `wrap: the buffer has ${size} bytes; an array ${dtype} [${shape.join(", ")}] needs ${bytes}`
              : "no error";
          expect(line(buffer, { shape, dtype })).toBe(expected);
          if (expected !== "no error") return buffer.destroy();
          const array = device.wrap(buffer, { shape, dtype });
          const read = await lineOfPromise(() => array.read());
          expect(read).toBe(
            names.includes("COPY_SRC")
              ? "no error"
              : "this array is a GPUBuffer without usage COPY_SRC, so it cannot be read; its owner must create it with GPUBufferUsage.COPY_SRC",
          );
          if (read === "no error") expect((await array.read()).data.every((value) => value === 0)).toBe(true);
          buffer.destroy();
        },
      ),
      { numRuns: 150 },
    );
  });

  test("a buffer of another GPUDevice: runs and reads reject, and nothing else does", async () => {
    const stranger = await ownedDevice();
    const executable = await device.compile(tripled);
    const x = device.wrap(ownBuffer(stranger.device, six), { shape: [3, 2] });
    const said =
      /^wrap: SwiftShader .* cannot use the buffer: it belongs to another GPUDevice, or could not be created \([^\n]+\)$/;
    expect(await lineOfPromise(() => x.read())).toMatch(said);
    const [result] = executable.run({ x });
    expect(await lineOfPromise(() => result?.read() as Promise<unknown>)).toMatch(said);
    expect(await numbersOf(executable.run({ x: ndarray([1, 2], [1, 2]) })[0])).toEqual([3, 6]);
    expect([stranger.heard, owner.heard]).toEqual([[], []]);
    executable.destroy();
    stranger.device.destroy();
  });

  test("a buffer that its owner has destroyed: the run rejects, and the next one does not", async () => {
    const executable = await device.compile(tripled);
    const buffer = ownBuffer(gpuDevice, six);
    const x = device.wrap(buffer, { shape: [3, 2] });
    buffer.destroy();
    const [result] = executable.run({ x });
    expect(await lineOfPromise(() => result?.read() as Promise<unknown>)).toMatch(
      /^tripled: the GPUBuffer of input x cannot be used \([^\n]+\); its owner must neither destroy nor map it before a run has read it$/,
    );
    expect(await numbersOf(executable.run({ x: ndarray([1, 2], [1, 2]) })[0])).toEqual([3, 6]);
    expect(owner.heard).toEqual([]);
    executable.destroy();
  });

  test("a usage that a run needs and the owner has not given", async () => {
    const { STORAGE, COPY_SRC, COPY_DST } = usage;
    const copiesIt = (name: string, direction: "SRC" | "DST") =>
      `${name} is a GPUBuffer without usage COPY_${direction}, and a run copies ${direction === "SRC" ? "from" : "to"} it; its owner must create it with GPUBufferUsage.COPY_${direction}`;
    // A result that two are to have, one of them donated.
    const square = { dtype: "f32", shape: [2, 2] } as const;
    const twice = traceGraph("twice", [{ name: "x", ...square }], ([x]) => {
      const product = matmul(x as Float, x as Float);
      return [product, matmul(product, x as Float), product];
    });
    const executable = await device.compile(twice, { donate: { x: 0 } });
    const of = (flags: number) => device.wrap(theirs(24, STORAGE | flags), { shape: [2, 2] });
    expect(lineOf(() => executable.run({ x: of(COPY_SRC) }))).toBe(`twice: input ${copiesIt("x", "DST")}`);
    const full = ownBuffer(gpuDevice, six);
    executable.run({ x: device.wrap(full, { shape: [2, 2] }) });
    expect(await readOwn(gpuDevice, full, 4)).toEqual([7, 10, 15, 22]);
    executable.destroy();

    // More inputs than a kernel may bind on a device with default limits.
    const names = [..."abcdefghij"];
    const many = traceGraph(
      "many",
      names.map((name) => ({ name, ...square })),
      (all) => [(all as Float[]).reduce((sum, each) => add(sum, each))],
    );
    const crowded = await device.compile(many);
    const inputs = (flags: number) => Object.fromEntries(names.map((name) => [name, of(flags)]));
    const line = lineOf(() => crowded.run(inputs(COPY_DST)));
    expect(line).toBe(`many: input ${copiesIt(line.slice("many: input ".length)[0] ?? "", "SRC")}`);
    expect(await numbersOf(crowded.run(inputs(COPY_SRC))[0])).toEqual([0, 0, 0, 0]);
    crowded.destroy();
    const bare = theirs(24, usage.STORAGE);
    // A kernel needs no more than STORAGE.
    const computing = await device.compile(tripled);
    expect(await numbersOf(computing.run({ x: device.wrap(bare, { shape: [3, 2] }) })[0])).toEqual(Array(6).fill(0));
    computing.destroy();
  });

  test("an array of another device of cellgrad on the same GPUDevice, and a wrong dtype or shape", async () => {
    const other = await openDevice({ gpuDevice });
    const executable = await device.compile(tripled);
    const x = other.wrap(ownBuffer(gpuDevice, six), { shape: [3, 2] });
    expect(lineOf(() => executable.run({ x }))).toBe(
      "tripled: input x is an array of another device; read it there and upload it here",
    );
    const [i, flat] = [
      device.wrap(ownBuffer(gpuDevice, six), { shape: [3, 2], dtype: "i32" }),
      device.wrap(ownBuffer(gpuDevice, six), { shape: [6] }),
    ];
    expect(lineOf(() => executable.run({ x: i }))).toBe("tripled: input x is i32; expected f32");
    expect(lineOf(() => executable.run({ x: flat }))).toMatch(
      /^tripled: input x: expected 2 axes \[N, 2\], got 1 \[6\]/,
    );
    executable.destroy();
    other.destroy();
  });
});
