/** @file Which device the playground gets, and what it says of it: a GPU, else the CPU, else the interpreter. */
import { expect, test } from "vitest";
import type { Device } from "../../devices/device.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import type { OpenDeviceOptions } from "../../devices/open-device.ts";
import { openFirst } from "../../playground/worker/opening.ts";
import { DeviceUnavailableError } from "../../runtime/device-errors.ts";

/** A host with these devices, which remembers what was asked of it. */
function hostWith(...kinds: readonly Device["kind"][]) {
  const asked: string[] = [];
  const open = async ({ device = "auto" }: OpenDeviceOptions): Promise<Device> => {
    asked.push(device);
    const kind = kinds.find((each) => each === device);
    if (kind === undefined) throw new DeviceUnavailableError(`There is no ${device}.`);
    return { ...openInterpreter(), kind, name: `the ${kind}` };
  };
  return { asked, open };
}

test("a GPU is taken as it is", async () => {
  const { asked, open } = hostWith("gpu", "cpu", "software", "interpreter");
  expect((await openFirst(open, "auto")).report).toEqual({ kind: "gpu", name: "the gpu" });
  expect(asked).toEqual(["gpu"]);
});

test("without one the CPU computes, and never WebGPU in software", async () => {
  const { asked, open } = hostWith("cpu", "software", "interpreter");
  expect((await openFirst(open, "auto")).report).toEqual({
    ...{ kind: "cpu", name: "the cpu" },
    note: "There is no gpu. Until then the CPU computes, by WebAssembly.",
  });
  expect(asked).toEqual(["gpu", "cpu"]);
});

test("without WebAssembly the interpreter computes tiny cells", async () => {
  const { open } = hostWith("software", "interpreter");
  expect((await openFirst(open, "auto")).report).toEqual({
    ...{ kind: "interpreter", name: "the interpreter", maxWeights: 20_000 },
    note: "There is no gpu. There is no cpu. Until then an interpreter computes, which is for tiny cells.",
  });
});

test("what was chosen is opened or refused, with nothing in its place", async () => {
  const { open } = hostWith("cpu", "software");
  expect((await openFirst(open, "software")).report).toEqual({ kind: "software", name: "the software" });
  await expect(openFirst(open, "gpu")).rejects.toThrow("There is no gpu.");
});
