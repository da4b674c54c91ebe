/**
 * @file Every kernel that the compiler emits for the built-in cells and a custom one, in both schedules and for each
 * kind of target: it parses, its bindings and sizes match the program, the program obeys WebGPU's rules, and Dawn
 * compiles it without a message.
 */
import { afterAll, describe, expect, test } from "vitest";
import { WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";
import { at } from "../../compiler/graph/errors.ts";
import { verifyProgram } from "../../compiler/plan/verify-program.ts";
import { requestAdapter, requestGpuDevice } from "../../runtime/host.ts";
import { slowUnless } from "../support/some-of.ts";
import { programsOf, standardCells } from "../support/standard-programs.ts";

const host = await requestAdapter();
const device = await requestGpuDevice(host);
afterAll(() => host.release());

describe.each(standardCells.map((cell) => ({ name: cell.cellName, cell })))("$name", ({ name, cell }) => {
  let made: ReturnType<typeof programsOf> | undefined;
  const programs = () => {
    made ??= programsOf(cell);
    return made;
  };
  const tier = slowUnless(name === "gru");

  test("matches the program", tier, () => {
    for (const program of programs()) {
      verifyProgram(program);
      for (const kernel of program.kernels) {
        const found = new WgslReflect(kernel.wgsl);
        expect(found.entry.compute.map(({ name }) => name)).toEqual(["main"]);
        const size = at(found.entry.compute, 0).attributes?.find(({ name }) => name === "workgroup_size")?.value;
        expect([size].flat().map(Number)).toEqual([kernel.workgroupSize]);
        expect(found.storage.map(({ group, binding, name, access }) => ({ group, binding, name, access }))).toEqual(
          kernel.bindings.map(({ access }, i) => ({
            group: 0,
            binding: 2 + i,
            name: `buffer${i}`,
            access,
          })),
        );
        expect(found.storage.map(({ format }) => (format?.format ?? format)?.name)).toEqual(
          kernel.bindings.map(({ buffer }) => at(program.buffers, buffer).element),
        );
        const uniforms = [...(kernel.uniforms.length > 0 ? ["sizes"] : []), ...(kernel.loops > 0 ? ["step"] : [])];
        expect(found.uniforms.map(({ name }) => name)).toEqual(uniforms);
        const fields = found.uniforms.find(({ name }) => name === "sizes")?.members?.map(({ name }) => name) ?? [];
        expect(fields).toEqual(kernel.uniforms.map(({ name }) => name));
      }
    }
  });

  test("compiles without a message", tier, async () => {
    for (const kernel of programs().flatMap((program) => program.kernels)) {
      const { messages } = await device.createShaderModule({ code: kernel.wgsl }).getCompilationInfo();
      expect(messages.map(({ message }) => `${kernel.name}: ${message}`)).toEqual([]);
    }
  });

  test("is plain JSON", tier, () => {
    for (const program of programs()) expect(JSON.parse(JSON.stringify(program))).toEqual({ ...program });
  });
});
