/** @file Layers of different cells in one network: their states, their rates, and the export of their weights. */
import { expect, test } from "vitest";
import { gru } from "../../../cells/gru.ts";
import { lstm } from "../../../cells/lstm.ts";
import { openInterpreter } from "../../../devices/interpreter.ts";
import { dense, mean, ndarray } from "../../../index.ts";
import { modelFrom, weightsOf } from "../../../interchange/rebuild.ts";
import { classifierModel } from "../../../train/classifier.ts";
import { decodeModel, encodeModel, savedModel } from "../../../train/files/model-file.ts";
import { initialize } from "../../../train/initialize.ts";
import { languageModel, seriesModel } from "../../../train/networks.ts";
import { objective } from "../../../train/objective.ts";
import { createTrainer } from "../../../train/trainer.ts";
import { lineOf } from "../../support/refused.ts";

const text = { vocabulary: 3, embed: 2, units: 4 };

test("states and parameters are named by layer, and the list determines the number of layers", () => {
  const network = languageModel({ ...text, cell: [gru, lstm] });
  expect(Object.keys(network.stateShapes)).toEqual(["layers/0/h", "layers/1/c", "layers/1/h"]);
  expect(network.config).toEqual({ cell: "gru + lstm", units: 4, layers: 2, embed: 2, outputs: 3 });
  expect(network.specs.map(({ path }) => path)).toContain("layers/1/lstm/forget/kernel");
  const one = seriesModel({ units: 2, features: 1, cell: gru });
  expect(one.config).toEqual({ cell: "gru", units: 2, layers: 1, outputs: 1 });
  expect(seriesModel({ units: 2, features: 1, cell: [gru, gru] }).config).toMatchObject({ cell: "gru", layers: 2 });
  const model = savedModel(network, initialize(network.specs, 1), { vocabulary: ["a", "b", "c"] });
  expect(decodeModel(encodeModel(model), "m")).toMatchObject({ kind: "text", cell: "gru + lstm", layers: 2 });
});

test("a rate by name applies to the layers with that state", async () => {
  const network = seriesModel({
    cell: [gru, lstm],
    units: 3,
    features: 1,
    recurrentDropout: { h: 0.5 },
    zoneout: { c: 0.5 },
  });
  const trainer = await createTrainer(openInterpreter(), network, { seed: 1 });
  const batch = { x: ndarray([2, 1, 1], [1, 2]), targets: ndarray([2, 1, 1], [2, 3]) };
  expect((await trainer.step(batch)).finite).toBe(true);
  // In evaluation zoneout takes its expectation, which changes the LSTM's state alone.
  const plain = seriesModel({ cell: [gru, lstm], units: 3, features: 1 });
  const other = await createTrainer(openInterpreter(), plain, { parameters: await trainer.parameters() });
  expect((await other.predict(batch)).output).not.toEqual((await trainer.predict(batch)).output);
});

test.each<[string, () => unknown, string]>([
  [
    "another number of layers",
    () => languageModel({ ...text, cell: [gru, lstm], layers: 3 }),
    "layers is 3 and cell is a list of 2; leave layers out, or make them equal",
  ],
  ["no cell", () => languageModel({ ...text, cell: [] }), "the list of cells is empty; give a cell for each layer"],
  [
    "an instance",
    () => languageModel({ ...text, cell: [gru, lstm(4) as never] }),
    "the cell is an object; expected a definition, such as lstm, without units: not lstm(8)",
  ],
  [
    "a rate of no state",
    () => languageModel({ ...text, cell: [gru, lstm], zoneout: { m: 0.1 } }),
    "zoneout: no layer has a state m; their states are those of gru (h), lstm (c, h)",
  ],
])("%s is refused", (_, make, line) => {
  expect(lineOf(make)).toBe(line);
});

test("weights of a classifier go to other frameworks and come back; those of mixed layers and of objectives do not", () => {
  const network = classifierModel({ cell: lstm, units: 3, layers: 2, classes: 2, reads: { features: 2 } });
  const labels = { columns: ["a", "b"], classes: ["no", "yes"] };
  const model = savedModel(network, initialize(network.specs, 1), labels);
  const back = modelFrom(weightsOf(model, "m"), labels);
  expect(back.kind).toBe("classifier");
  expect(back.parameters).toEqual(model.parameters);
  expect(back).toMatchObject(labels);
  // As files of before have them.
  const { classes, ...rest } = model;
  expect(weightsOf({ ...rest, kind: "regression", targets: labels.classes }, "m").cell).toBe("lstm");
  const mixed = languageModel({ ...text, cell: [gru, lstm] });
  expect(
    lineOf(() => weightsOf(savedModel(mixed, initialize(mixed.specs, 1), { vocabulary: ["a", "b", "c"] }), "m")),
  ).toBe(
    'm: its layers are of different cells ("gru", "lstm"), and other frameworks support only layers of one cell; export it as ONNX',
  );
  const x = { dtype: "f32", shape: ["B", 2] } as const;
  const own = objective("own", { x }, ({ x }) => mean(dense("h", x, 1)), { predict: ({ x }) => dense("h", x, 1) });
  expect(lineOf(() => weightsOf(savedModel(own, initialize(own.specs, 1)), "m"))).toBe(
    "m: it is a custom objective, and other frameworks support only weights of networks; export it as ONNX",
  );
});
