/** @file The variants of the zoo that the tests run: every cell of the command line, and options of cells that have some. */
import {
  convLstm,
  gatedDeltaNet,
  gatedLinearAttention,
  lif,
  mlstm,
  projectedLstm,
  qrnn,
  recurrentHighway,
  slstm,
  zoo,
} from "../../cells/zoo.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import * as reference from "./reference-cells.ts";

export interface Form {
  readonly cell: CellDefinition;
  readonly units: number;
  readonly features: number;
  readonly reference: reference.ReferenceCell;
}

function builtIn(name: string, by: reference.ReferenceCell, units = 3, features = 2): [string, Form] {
  const cell = zoo[name];
  if (cell === undefined) throw new Error(`the zoo has no ${name}`);
  return [name, { cell, units, features, reference: by }];
}

function withOptions<Names extends string>(
  what: string,
  cell: CellDefinition<Names>,
  by: reference.ReferenceCell,
  units: number,
  features: number,
): [string, Form] {
  return [`${cell.cellName}, ${what}`, { cell: cell as CellDefinition, units, features, reference: by }];
}

export const forms: ReadonlyMap<string, Form> = new Map([
  builtIn("rnn", reference.rnn),
  builtIn("relu-rnn", reference.reluRnn),
  builtIn("irnn", reference.reluRnn),
  builtIn("indrnn", reference.indrnn),
  builtIn("lstm1997", reference.lstm1997),
  builtIn("lstm", reference.lstm),
  builtIn("peephole-lstm", reference.peepholeLstm),
  builtIn("coupled-lstm", reference.coupledLstm),
  builtIn("projected-lstm", reference.projectedLstm),
  withOptions("no peepholes", projectedLstm({ projection: 1, peepholes: false }), reference.plainProjectedLstm, 2, 3),
  builtIn("layer-norm-lstm", reference.layerNormLstm),
  builtIn("multiplicative-lstm", reference.multiplicativeLstm),
  builtIn("conv-lstm", reference.convLstm(8, 3), 8, 16),
  withOptions("even filter", convLstm({ positions: 3, width: 2 }), reference.convLstm(3, 2), 6, 3),
  builtIn("gru", reference.gru),
  builtIn("gru-reset-after", reference.gruResetAfter),
  builtIn("mgu", reference.mgu),
  builtIn("janet", reference.janet),
  builtIn("ugrnn", reference.ugrnn),
  builtIn("recurrent-highway", reference.recurrentHighway(3)),
  withOptions("depth 1", recurrentHighway({ depth: 1 }), reference.recurrentHighway(1), 2, 3),
  builtIn("sru", reference.sru),
  builtIn("qrnn", reference.qrnn("fo", 2)),
  withOptions("f, width 1", qrnn({ pooling: "f", width: 1 }), reference.qrnn("f", 1), 2, 3),
  withOptions("ifo, width 3", qrnn({ pooling: "ifo", width: 3 }), reference.qrnn("ifo", 3), 2, 3),
  builtIn("min-gru", reference.minGru),
  builtIn("min-lstm", reference.minLstm),
  builtIn("lru", reference.lru),
  builtIn("lif", reference.lif(5, 10)),
  withOptions("other times", lif({ current: 2, membrane: 4, steepness: 3 }), reference.lif(2, 4), 2, 3),
  builtIn("slstm", reference.slstm(1)),
  withOptions("3 heads", slstm({ heads: 3 }), reference.slstm(3), 6, 2),
  builtIn("mlstm", reference.mlstm(1)),
  withOptions("2 heads", mlstm({ heads: 2 }), reference.mlstm(2), 4, 3),
  builtIn("gated-linear-attention", reference.gatedLinearAttention(1), 4),
  withOptions("2 heads", gatedLinearAttention({ heads: 2 }), reference.gatedLinearAttention(2), 8, 3),
  builtIn("gated-delta-net", reference.gatedDeltaNet(1, 4)),
  withOptions("2 heads, width 1", gatedDeltaNet({ heads: 2, width: 1 }), reference.gatedDeltaNet(2, 1), 4, 3),
]);

/** One of each form of a recurrence: dense, with views, diagonal, affine, delayed, in heads, of matrices. */
export const isOneOfItsForm = (name: string) =>
  /^(gru|conv-lstm, even.*|indrnn|lru|qrnn, f.*|slstm, 3 heads|gated-delta-net, 2.*)$/.test(name);
