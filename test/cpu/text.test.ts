/**
 * @file The text of kernels for the CPU is that of the code the device runs: with fused multiply-add if the engine has
 * it.
 *
 * @module-tag slow
 */
import { expect, test, vi } from "vitest";
import { languageModel } from "../../entries/networks.ts";
import { adam, gru, trainingStep } from "../../index.ts";
import { compileStepForCpu } from "../../train/compile-step.ts";

const engine = vi.hoisted(() => ({ hasRelaxed: false }));
vi.mock("../../wasm/features.ts", () => ({ hasRelaxedMadd: () => engine.hasRelaxed }));

test.each([false, true])("an engine that has f32x4.relaxed_madd: %s", (hasRelaxed) => {
  engine.hasRelaxed = hasRelaxed;
  const network = languageModel({ cell: gru, units: 8, layers: 1, embed: 4, vocabulary: 10 });
  const { program } = compileStepForCpu(trainingStep(network, { optimizer: adam(), clipNorm: 1 }));
  expect(program.kernels.some(({ wat }) => wat.includes("(f32x4.relaxed_madd"))).toBe(hasRelaxed);
});
