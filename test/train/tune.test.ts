/**
 * @file The search for a tuning, on a device with simulated time: which candidates win, which do not, and cleanup. Then a
 * tuning on a real device: it changes the kernels, and gives the same bits on every run.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { rnn } from "../../cells/rnn.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import { inputName } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray, zeros } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { type Tuning, tuningGrid } from "../../compiler/plan/tuning.ts";
import type { Device } from "../../devices/device.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { packArrays } from "../../train/arena.ts";
import { decodeModel, encodeModel, savedModel } from "../../train/files/model-file.ts";
import { hyperparameter } from "../../train/hyperparameter.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { createStream } from "../../train/stream.ts";
import { createTrainer } from "../../train/trainer.ts";
import { trainingStep } from "../../train/training-step.ts";
import { type TuneOptions, type TuneProgress, tune } from "../../train/tune.ts";
import { slow } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

const network = languageModel({ cell: rnn, units: 16, layers: 1, vocabulary: 3, embed: 2 });
const tokens = (shift: number) =>
  ndarray(
    [4, 2],
    [0, 1, 2, 0, 1, 2, 0, 1].map((t) => (t + shift) % 3),
    "i32",
  );
const batch = { x: tokens(0), targets: tokens(1) };

let clock = 0;
beforeEach(() => {
  clock = 0;
  vi.spyOn(performance, "now").mockImplementation(() => clock);
});
afterEach(() => vi.restoreAllMocks());

/** What a made-up device does with a tuning. */
interface Behaviour {
  /** Milliseconds of a step; `run` counts the steps of all candidates. */
  readonly milliseconds: (tuning: Tuning, run: number) => number;
  /** Error of its parameters, relative to them. */
  readonly error?: (tuning: Tuning) => number;
  readonly fault?: (tuning: Tuning) => string | undefined;
}

const step = trainingStep(network, { optimizer: adam() });
const program = compileProgram(step.graph, { donate: step.donate });
const firstBatch = (name: string): NdArray => {
  if (name === "parameters") return packArrays(initialize(network.specs, 0), step.arena);
  const node = step.graph.nodes[step.graph.inputs.find((id) => inputName(step.graph, id) === name) ?? -1];
  const shape = (node?.aval.shape ?? []).map((dim) => (dim === "B" ? 2 : Number(dim)));
  return name === "x" ? batch.x : name === "targets" ? batch.targets : zeros(shape, node?.aval.dtype);
};
const results = interpret(
  step.graph,
  step.graph.inputs.map((id) => firstBatch(inputName(step.graph, id))),
);

/** A device that always gives the results of the first step, in a time that a clock goes on by. */
function madeUp({ milliseconds, error = () => 0, fault = () => undefined }: Behaviour) {
  const compiled: Tuning[] = [];
  let [open, runs] = [0, 0];
  const interpreter = openInterpreter();
  const { upload } = interpreter;
  const device: Device = {
    ...interpreter,
    name: "made up",
    // Its kernels do not depend on columns.
    lower: (_, { tuning = {} } = {}) => {
      const { tileColumns, persistentColumns, ...others } = tuning;
      return { ...program, name: String(tileColumns ?? persistentColumns), kernels: kernelsOf(others) };
    },
    compile: async (graph, { tuning = {} } = {}) => {
      const reason = fault(tuning);
      if (reason !== undefined) throw new Error(reason);
      compiled.push(tuning);
      open += 1;
      return {
        graph,
        run: () => {
          clock += milliseconds(tuning, ++runs);
          return results.map(({ data, ...rest }) =>
            upload({ ...rest, data: data.map((x) => x * (1 + error(tuning))) }),
          );
        },
        encode: () => [],
        profile: async () => [],
        destroy: () => {
          open -= 1;
        },
      };
    },
  };
  return { device, compiled, isClosed: () => open === 0 };
}

const kernelsOf = (tuning: Tuning) => program.kernels.map((kernel) => ({ ...kernel, wgsl: JSON.stringify(tuning) }));

const search = async (behaviour: Behaviour, options: Partial<TuneOptions> = {}) => {
  const { device, compiled, isClosed } = madeUp(behaviour);
  const result = await tune(device, network, { batch, ...options });
  expect(isClosed()).toBe(true);
  return { ...result, compiled };
};

/** Of a device that likes four rows a little and four terms a lot. */
const likes = ({ tileRows, termsPerTurn }: Tuning) => 100 * (tileRows === 4 ? 0.8 : 1) * (termsPerTurn === 4 ? 0.5 : 1);

test("each field that makes it faster is found", async () => {
  const seen: TuneProgress[] = [];
  const {
    tuning,
    speedup,
    adapter,
    batch: rows,
    time,
    measurements,
  } = await search({ milliseconds: likes }, { onProgress: (progress) => seen.push(progress) });
  expect({ tuning, speedup, adapter, rows, time }).toEqual({
    ...{ tuning: { tileRows: 4, termsPerTurn: 4 }, speedup: 2.5, adapter: "made up", rows: 2, time: 4 },
  });
  expect(measurements.filter(({ outcome }) => outcome === "faster").map(({ ratio }) => ratio)).toEqual([0.8, 0.5]);
  expect(seen.map(({ tried }) => tried)).toEqual(seen.map((_, i) => i + 1));
  expect(seen.every(({ tried, total }) => tried <= total)).toBe(true);
  expect(seen.at(-1)?.best).toEqual(tuning);
});

test("programs that were measured before are not measured again", async () => {
  const { compiled, measurements } = await search({ milliseconds: () => 100 });
  const { tileColumns, persistentColumns, ...others } = tuningGrid;
  expect(compiled).toHaveLength(1 + Object.values(others).flat().length);
  expect(measurements).toHaveLength(Object.values(tuningGrid).flat().length);
  const repeated = measurements.filter(({ outcome }) => outcome === "the same program").map(({ tuning }) => tuning);
  expect(repeated).toEqual([
    ...persistentColumns.map((value) => ({ persistentColumns: value })),
    ...tileColumns.map((value) => ({ tileColumns: value })),
  ]);
});

test("a candidate that is faster by less than the margin does not win", async () => {
  const { tuning, speedup } = await search({ milliseconds: (given) => (given.tileRows === 4 ? 98 : 100) });
  expect({ tuning, speedup }).toEqual({ tuning: {}, speedup: 1 });
});

test("a win in one heat is not enough", async () => {
  // Slow for everybody but the candidate's first heat, as when a neighbour goes to sleep.
  let turns = 0;
  const { tuning, measurements } = await search({
    milliseconds: (given) => (given.tileRows === 4 && ++turns <= 7 ? 50 : 100),
  });
  expect(tuning).toEqual({});
  expect(measurements).toContainEqual({ tuning: { tileRows: 4 }, outcome: "not faster", ratio: 1 });
});

test("a candidate that is much slower is not run to the end", async () => {
  const steps = new Map<string, number>();
  await search({
    milliseconds: (given) => {
      const name = JSON.stringify(given);
      steps.set(name, (steps.get(name) ?? 0) + 1);
      return given.tileRows === 4 ? 200 : 101;
    },
  });
  // The first step, and two turns instead of six.
  expect(steps.get('{"tileRows":4}')).toBe(3);
  expect(steps.get('{"tileRows":2}')).toBe(7);
});

test("a machine that becomes slower or faster makes no candidate win", async () => {
  for (const change of [1.05, 0.95]) {
    const { tuning, measurements } = await search({ milliseconds: (_, run) => 100 * change ** (run % 200) });
    expect(measurements.map(({ outcome }) => outcome)).not.toContain("faster");
    expect(tuning).toEqual({});
  }
});

test("the winner must beat the default", async () => {
  // The candidate is fast until it is champion: two heats of six turns, after a first step.
  let turns = 0;
  const { tuning, speedup, measurements } = await search({
    milliseconds: (given) => (given.schedule === "stepwise" && ++turns <= 13 ? 50 : 100),
  });
  expect(measurements).toContainEqual({ tuning: { schedule: "stepwise" }, outcome: "faster", ratio: 0.5 });
  expect({ tuning, speedup }).toEqual({ tuning: {}, speedup: 1 });
});

test("a candidate with other numbers does not win, however fast", async () => {
  const isWrong = ({ tileRows }: Tuning) => tileRows === 4;
  const milliseconds = (given: Tuning) => (isWrong(given) ? 10 : 100);
  const wrong = await search({ milliseconds, error: (given) => (isWrong(given) ? 2e-3 : 0) });
  expect(wrong.tuning).toEqual({});
  expect(wrong.measurements).toContainEqual({ tuning: { tileRows: 4 }, outcome: "other numbers" });
  const nan = await search({ milliseconds, error: (given) => (isWrong(given) ? Number.NaN : 0) });
  expect(nan.tuning).toEqual({});
  const rounded = await search({ milliseconds, error: (given) => (isWrong(given) ? 1e-4 : 0) });
  expect(rounded.tuning).toEqual({ tileRows: 4 });
});

test("a candidate that cannot be compiled is reported and skipped", async () => {
  const fault = ({ tileRows }: Tuning) => (tileRows === 4 ? "too many registers" : undefined);
  const { tuning, measurements } = await search({ milliseconds: likes, fault });
  expect(tuning).toEqual({ termsPerTurn: 4 });
  expect(measurements).toContainEqual({ tuning: { tileRows: 4 }, outcome: "failed", reason: "too many registers" });
  await expect(search({ milliseconds: likes, fault: () => "no device" })).rejects.toThrow("no device");
});

test("it ends when its time is up, with the best so far", async () => {
  const { tuning, measurements } = await search({ milliseconds: likes }, { seconds: 12 });
  expect(clock).toBeGreaterThan(12_000);
  expect(clock).toBeLessThan(12_000 + 4 * 10 * 100);
  expect(tuning).toEqual({ tileRows: 4 });
  expect(measurements.length).toBeLessThan(Object.values(tuningGrid).flat().length);
});

test("a signal ends it with its reason, and everything is freed", async () => {
  const stop = new AbortController();
  const { device, isClosed } = madeUp({ milliseconds: likes });
  const onProgress = ({ tried }: TuneProgress) => (tried === 5 ? stop.abort(new Error("enough")) : undefined);
  await expect(tune(device, network, { batch, signal: stop.signal, onProgress })).rejects.toThrow("enough");
  expect(isClosed()).toBe(true);
});

test("an untunable step is a one-line error", async () => {
  await expect(tune(openInterpreter(), network, { batch })).rejects.toEqual(
    new UserError("the float64 interpreter has no kernels to tune; use a gpu, cpu or software device"),
  );
  const { device } = madeUp({ milliseconds: likes });
  await expect(tune(device, network, { batch, seconds: 0 })).rejects.toEqual(
    new UserError("tune: seconds is 0; expected a number above 0"),
  );
  const series = seriesModel({ cell: rnn, units: 2, layers: 1, features: 1 });
  const notFinite = { x: ndarray([2, 1, 1], [0, Number.NaN]), targets: ndarray([2, 1, 1], [0, 1]) };
  await expect(tune(await openWebgpu(), series, { batch: notFinite })).rejects.toEqual(
    new UserError(
      "tune: the results of the first step are not finite, so candidates cannot be compared; check the batch",
    ),
  );
  await expect(createTrainer(await openWebgpu(), network, { tuning: JSON.parse('{"tileRows":3}') })).rejects.toEqual(
    new UserError("tileRows of a tuning must be one of 1, 2, 4, 8, 16, got 3"),
  );
});

test("a tuning from a model makes other kernels, and the same bits on every run", slow, async () => {
  const device = await openWebgpu();
  const chosen: Tuning = { tileRows: 2, persistentRows: 2, persistentColumns: 1, termsPerTurn: 4 };
  const train = async (tuning: Tuning | undefined) => {
    const compile = vi.spyOn(device, "compile");
    const trainer = await createTrainer(device, network, { seed: 1, learningRate: 0.01, clipNorm: 1, tuning });
    for (let step = 0; step < 5; step++) await trainer.step({ x: tokens(step), targets: tokens(step + 1) });
    const loss = await trainer.evaluate([batch]);
    const parameters = await trainer.parameters();
    trainer.destroy();
    const programs = compile.mock.calls.map(([graph, options]) =>
      JSON.stringify(device.lower?.(graph, options)?.kernels),
    );
    compile.mockRestore();
    return { parameters, loss, programs };
  };
  const first = await train(chosen);
  const told = {
    vocabulary: ["a", "b", "c"],
    tuned: { tuning: chosen, adapter: "x", batch: 2, time: 4, speedup: 1.5 },
  };
  const kept = decodeModel(encodeModel(savedModel(network, first.parameters, told)), "m");
  const again = await train(kept.tuned?.tuning);
  expect(kept.tuned).toEqual(told.tuned);
  expect(again).toEqual(first);
  const compile = vi.spyOn(device, "compile");
  (await createStream(device, kept, kept.parameters)).destroy();
  expect(compile.mock.calls.map(([, options]) => options?.tuning)).toEqual([chosen]);
  compile.mockRestore();
  const plain = await train(undefined);
  expect(plain.programs.map((program, i) => program === first.programs[i])).toEqual([false, false]);
  expect(Math.abs(plain.loss - first.loss) / plain.loss).toBeLessThan(1e-4);
  device.destroy();
});

test("a network with a hyperparameter is tuned at its own value", slow, async () => {
  vi.restoreAllMocks();
  const device = await openWebgpu();
  const dropping = languageModel({
    ...{ cell: rnn, units: 16, layers: 1, vocabulary: 3, embed: 2 },
    dropout: hyperparameter("dropout", 0.5),
  });
  await expect(tune(device, dropping, { batch, seconds: 0.01 })).resolves.toMatchObject({ batch: 2, time: 4 });
  device.destroy();
});
