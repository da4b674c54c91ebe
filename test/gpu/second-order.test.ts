/**
 * @file Second derivatives through scan on devices: the derivative of a cell's gradient, with all loops in one
 * schedule.
 */
import { afterAll, describe, expect } from "vitest";
import { slstm } from "../../cells/slstm.ts";
import { gru, interpret, lstm, lstm1997, openDevice, rnn } from "../../index.ts";
import { deviceExecutor } from "../../testing/executor.ts";
import { drawArguments, drawWholeDirection } from "../../testing/gradients/case.ts";
import { tracePrograms } from "../../testing/gradients/programs.ts";
import { norm, relativeError } from "../../testing/numbers/compare.ts";
import { f32Tolerance } from "../../testing/tolerance.ts";
import { fewOf } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

const [cpu, webgpu] = await Promise.all([openDevice({ device: "cpu" }), openWebgpu()]);
afterAll(() => {
  for (const device of [cpu, webgpu]) device.destroy();
});

const sizes = { units: 4, features: 3, batch: 2, time: 5, carried: true, seed: 7 };

describe.each([
  ...[rnn, lstm1997, lstm, gru, slstm()].map((definition) => ({
    definition,
    name: definition.cellName,
    device: cpu,
  })),
  { definition: gru, name: `${gru.cellName} on WebGPU`, device: webgpu },
])("$name", ({ definition, device }) => {
  const prepare = () => {
    const programs = tracePrograms(definition, sizes.units, sizes.features);
    const inputs = [...drawArguments(programs, sizes), ...drawWholeDirection(programs.arguments, sizes)];
    const second = programs.second();
    return { inputs, second, expected: interpret(second, inputs) };
  };
  let made: ReturnType<typeof prepare> | undefined;

  fewOf(["auto", "stepwise"], () => device === cpu && definition === lstm)("%s", async (schedule) => {
    made ??= prepare();
    const { inputs, second, expected } = made;
    const { lower } = device;
    const schedules = lower?.(second, { schedule }).schedules.map((note) => note.schedule);
    // Forward, backward, and both again for the second derivative.
    expect(schedules).toHaveLength(4);
    expect(new Set(schedules)).toEqual(new Set([schedule === "auto" ? "persistent" : "stepwise"]));
    const got = await deviceExecutor(device.name, device, 0, { schedule }).execute(second, inputs);
    expect(norm(expected)).toBeGreaterThan(0.01);
    // The second derivative walks through the sequence and back twice.
    const tolerance = f32Tolerance({ time: 4 * sizes.time, depth: sizes.units + sizes.features });
    expect(relativeError(got, expected)).toBeLessThan(tolerance);
  });
});
