/** @file Error messages about invalid options of cells. */
import { expect, test } from "vitest";
import {
  convLstm,
  gatedDeltaNet,
  gatedLinearAttention,
  indrnn,
  janet,
  lif,
  lru,
  mlstm,
  projectedLstm,
  qrnn,
  recurrentHighway,
  slstm,
} from "../../cells/zoo.ts";
import { traceCell } from "../../compiler/dsl/traced-cell.ts";

test.each<[make: () => unknown, message: string]>([
  [() => recurrentHighway({ depth: 0 }), "recurrent-highway: depth must be a whole number above 0, got 0"],
  [() => indrnn({ longest: 1.5 }), "indrnn: longest must be a whole number above 0, got 1.5"],
  [() => qrnn({ width: -1 }), "qrnn: width must be a whole number above 0, got -1"],
  [() => qrnn({ pooling: "io" as "fo" }), 'qrnn: pooling is "io"; expected "f" or "fo" or "ifo"'],
  [() => projectedLstm({ projection: 0 })(4), "projected-lstm: projection must be a whole number above 0, got 0"],
  [() => mlstm({ heads: 3 })(8), "mlstm: 8 units do not divide into 3 heads; choose a multiple of 3"],
  [() => slstm({ heads: 3 })(8), "slstm: 8 units do not divide into 3 heads; choose a multiple of 3"],
  [
    () => gatedLinearAttention({ heads: 3 })(9),
    "gated-linear-attention: 9 units do not divide into 6 halves of heads; choose a multiple of 6",
  ],
  [() => gatedDeltaNet({ heads: 3 })(8), "gated-delta-net: 8 units do not divide into 3 heads; choose a multiple of 3"],
  [() => gatedDeltaNet({ width: 0 }), "gated-delta-net: width must be a whole number above 0, got 0"],
  [() => convLstm({ width: 0 }), "conv-lstm: width must be a whole number above 0, got 0"],
  [() => convLstm()(12), "conv-lstm: 12 units do not divide into 8 positions; choose a multiple of 8"],
  [
    () => traceCell(convLstm(), [{ units: 8, features: 5 }]),
    "conv-lstm: 5 features do not divide into 8 positions; choose a multiple of 8",
  ],
  [() => lif({ membrane: 0 }), "lif: membrane must be a number above 0, got 0"],
  [() => lif({ steepness: Number.NaN }), "lif: steepness must be a number above 0, got NaN"],
  [() => janet({ longest: 2 }), "chrono: longest must be 3 or more steps, got 2"],
  [() => lru({ radii: [0.5, 1] }), "ringModulus: expected 0 <= inner < outer < 1, got 0.5 and 1"],
])("%s", (make, message) => {
  expect(make).toThrow(message);
});
