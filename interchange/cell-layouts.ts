/**
 * @file How cellgrad stores the gates of built-in cells, and the order in which PyTorch and Keras stack them.
 *
 * Every framework computes a gate as x·W + h·U + b. PyTorch and Keras store the gates of a layer side by side in one matrix;
 * cellgrad stores each gate as a separate dense layer, most of them on [x, h].
 *
 *   PyTorch   LSTM i f g o   GRU r z n     two biases      https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html
 *   Keras     LSTM i f c o   GRU z r h     one bias, but two for a GRU with reset_after     https://keras.io/api/layers
 */

/** The dense layers with a gate's weights: one on [x, h], or one on x and one on h. */
export interface GatePlace {
  readonly input: string;
  readonly recurrent: string;
}

export interface CellLayout {
  /** Where each gate's weights are, by the gate's name. */
  readonly gates: Readonly<Record<string, GatePlace>>;
  /** The PyTorch module that computes the same, and the order of its gates; absent if there is none. */
  readonly pytorch?: { readonly module: string; readonly options: string; readonly order: readonly string[] };
  /** The Keras layer that computes the same, its name in paths, the order of its gates, and its number of biases. */
  readonly keras: {
    readonly layer: string;
    readonly options: string;
    readonly path: string;
    readonly order: readonly string[];
    readonly biases: 1 | 2;
  };
}

const together = (name: string): GatePlace => ({ input: name, recurrent: name });

const simple: CellLayout = {
  gates: { hidden: together("hidden") },
  pytorch: { module: "RNN", options: "", order: ["hidden"] },
  keras: { layer: "SimpleRNN", options: "", path: "simple_rnn", order: ["hidden"], biases: 1 },
};

const updateResetCandidate = ["update", "reset", "candidate"];

/** Layouts by name of the cell. */
export const cellLayouts: Readonly<Record<string, CellLayout>> = {
  rnn: simple,
  "relu-rnn": {
    ...simple,
    pytorch: { module: "RNN", options: ', nonlinearity="relu"', order: ["hidden"] },
    keras: { ...simple.keras, options: ', activation="relu"' },
  },
  lstm: {
    gates: {
      input: together("input"),
      forget: together("forget"),
      candidate: together("candidate"),
      output: together("output"),
    },
    pytorch: { module: "LSTM", options: "", order: ["input", "forget", "candidate", "output"] },
    keras: {
      ...{ layer: "LSTM", options: "", path: "lstm", biases: 1 },
      order: ["input", "forget", "candidate", "output"],
    },
  },
  "gru-reset-after": {
    gates: {
      update: together("update"),
      reset: together("reset"),
      candidate: { input: "candidate", recurrent: "recurrent" },
    },
    pytorch: { module: "GRU", options: "", order: ["reset", "update", "candidate"] },
    keras: { layer: "GRU", options: "", path: "gru", order: updateResetCandidate, biases: 2 },
  },
  gru: {
    gates: { update: together("update"), reset: together("reset"), candidate: together("candidate") },
    keras: { layer: "GRU", options: ", reset_after=False", path: "gru", order: updateResetCandidate, biases: 1 },
  },
};
