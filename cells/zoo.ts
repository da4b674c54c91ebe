/** @file All cells by their name on the command line; those with options in their default form. */
import type { CellDefinition } from "../compiler/dsl/cell.ts";
import { convLstm } from "./conv-lstm.ts";
import { coupledLstm } from "./coupled-lstm.ts";
import { gatedDeltaNet } from "./gated-delta-net.ts";
import { gatedLinearAttention } from "./gated-linear-attention.ts";
import { cells } from "./index.ts";
import { indrnn } from "./indrnn.ts";
import { irnn } from "./irnn.ts";
import { janet } from "./janet.ts";
import { layerNormLstm } from "./layer-norm-lstm.ts";
import { lif } from "./lif.ts";
import { lru } from "./lru.ts";
import { mgu } from "./mgu.ts";
import { minGru } from "./min-gru.ts";
import { minLstm } from "./min-lstm.ts";
import { mlstm } from "./mlstm.ts";
import { multiplicativeLstm } from "./multiplicative-lstm.ts";
import { peepholeLstm } from "./peephole-lstm.ts";
import { projectedLstm } from "./projected-lstm.ts";
import { qrnn } from "./qrnn.ts";
import { recurrentHighway } from "./recurrent-highway.ts";
import { reluRnn } from "./relu-rnn.ts";
import { slstm } from "./slstm.ts";
import { sru } from "./sru.ts";
import { ugrnn } from "./ugrnn.ts";

export { type ConvLstmOptions, convLstm } from "./conv-lstm.ts";
export { coupledLstm } from "./coupled-lstm.ts";
export { type GatedDeltaNetOptions, gatedDeltaNet } from "./gated-delta-net.ts";
export { type GatedLinearAttentionOptions, gatedLinearAttention } from "./gated-linear-attention.ts";
export { gru, gruResetAfter, lstm, lstm1997, rnn } from "./index.ts";
export { type IndrnnOptions, indrnn } from "./indrnn.ts";
export { irnn } from "./irnn.ts";
export { type JanetOptions, janet } from "./janet.ts";
export { layerNormLstm } from "./layer-norm-lstm.ts";
export { type LifOptions, lif } from "./lif.ts";
export { type LruOptions, lru } from "./lru.ts";
export { mgu } from "./mgu.ts";
export { minGru } from "./min-gru.ts";
export { minLstm } from "./min-lstm.ts";
export { type MlstmOptions, mlstm } from "./mlstm.ts";
export { multiplicativeLstm } from "./multiplicative-lstm.ts";
export { peepholeLstm } from "./peephole-lstm.ts";
export { type ProjectedLstmOptions, projectedLstm } from "./projected-lstm.ts";
export { type QrnnOptions, qrnn } from "./qrnn.ts";
export { type RecurrentHighwayOptions, recurrentHighway } from "./recurrent-highway.ts";
export { reluRnn } from "./relu-rnn.ts";
export { type SlstmOptions, slstm } from "./slstm.ts";
export { sru } from "./sru.ts";
export { ugrnn } from "./ugrnn.ts";

const more = [
  ...[reluRnn, irnn, indrnn()],
  ...[peepholeLstm, coupledLstm, projectedLstm(), layerNormLstm, multiplicativeLstm, convLstm()],
  ...[mgu, janet(), ugrnn, recurrentHighway()],
  ...[sru, qrnn(), minGru, minLstm, lru()],
  ...[slstm(), mlstm()],
  ...[gatedLinearAttention(), gatedDeltaNet()],
  lif(),
];

/** All cells by name, in their default forms. */
export const zoo: Readonly<Record<string, CellDefinition>> = {
  ...cells,
  ...Object.fromEntries(more.map((definition) => [definition.cellName, definition as CellDefinition])),
};
