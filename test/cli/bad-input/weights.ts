/** @file Bad input: weights of other frameworks, in and out. */
import type { BadInput } from "./row.ts";

export const weights: readonly BadInput[] = [
  [
    "an import without a framework",
    "import @torch.safetensors --out @new.st",
    "required option '--from <framework>' not specified; see --help",
  ],
  [
    "weights of an unknown framework",
    "import @torch.safetensors --from torch --out @new.st",
    "option '--from <framework>' argument 'torch' is invalid. Allowed choices are pytorch, keras, flax; see --help",
  ],
  [
    "an import without an output",
    "import @torch.safetensors --from pytorch",
    "required option '--out <file>' not specified; see --help",
  ],
  ["missing weights", "import @absent.safetensors --from pytorch --out @new.st", "absent.safetensors: no such file"],
  [
    "a text as weights",
    "import @text.txt --from pytorch --out @new.st",
    "text.txt is not a safetensors file, the format of models and weights",
  ],
  [
    "weights of something else as PyTorch's",
    "import @other.safetensors --from pytorch --out @new.st",
    "other.safetensors: it has no weight_ih_l0, so it is not a state dict with an nn.RNN, nn.LSTM or nn.GRU",
  ],
  [
    "weights of something else as Keras's",
    "import @other.safetensors --from keras --out @new.st",
    "other.safetensors: it has no recurrent_kernel of a forward layer, so these are not weights of a Keras RNN",
  ],
  [
    "PyTorch's weights as Keras's",
    "import @torch.safetensors --from keras --out @new.st",
    "torch.safetensors: it has no recurrent_kernel of a forward layer, so these are not weights of a Keras RNN",
  ],
  [
    "weights with a shape that does not fit",
    "import @torch-shape.safetensors --from pytorch --out @new.st",
    'torch-shape.safetensors: tensor "rnn.weight_hh_l0" is missing or is not [gates * hidden, hidden]',
  ],
  [
    "weights that are not finite, as a model",
    "import @torch-nan.safetensors --from pytorch --columns a,b,c --out @new.st",
    'torch-nan.safetensors: "head/bias" is damaged: 3 of its 3 numbers are not finite (NaN)',
  ],
  [
    "weights that are not finite, as parameters",
    "import @torch-nan.safetensors --from pytorch --out @new.st",
    'torch-nan.safetensors: "head/bias" is damaged: 3 of its 3 numbers are not finite (NaN)',
  ],
  [
    "a text model without an embedding",
    "import @torch.safetensors --from pytorch --vocabulary @two.json --out @new.st",
    "torch.safetensors: it has no embedding, which a text model needs",
  ],
  [
    "a vocabulary that does not fit",
    "import @torch-text.safetensors --from pytorch --vocabulary @two.json --out @new.st",
    "torch-text.safetensors: there are 2 symbols in the vocabulary for 3 rows of the embedding",
  ],
  [
    "a vocabulary with a symbol twice",
    "import @torch-text.safetensors --from pytorch --vocabulary @again.json --out @new.st",
    'again.json: expected a list of different characters, such as ["a", "b"]',
  ],
  [
    "a vocabulary that is incomplete JSON",
    "import @torch-text.safetensors --from pytorch --vocabulary @half-a-list.json --out @new.st",
    "half-a-list.json is not JSON: …",
  ],
  [
    "a missing vocabulary",
    "import @torch-text.safetensors --from pytorch --vocabulary @absent.json --out @new.st",
    "absent.json: no such file",
  ],
  [
    "columns for an embedding",
    "import @torch-text.safetensors --from pytorch --columns a,b,c --out @new.st",
    "torch-text.safetensors: it has an embedding; give the symbols of its vocabulary",
  ],
  [
    "columns that do not fit",
    "import @torch.safetensors --from pytorch --columns a,b --out @new.st",
    "torch.safetensors: there are 2 columns for 3 features",
  ],
  [
    "columns of which two are one",
    "import @torch.safetensors --from pytorch --columns a,a,b --out @new.st",
    '--columns must be different names, such as a,b, got "a,a,b"',
  ],
  [
    "targets that do not fit",
    "import @torch.safetensors --from pytorch --columns a,b,c --targets a --out @new.st",
    "torch.safetensors: there are 1 targets for 3 outputs",
  ],
  [
    "targets without columns",
    "import @torch.safetensors --from pytorch --targets a --out @new.st",
    "--targets needs --columns",
  ],
  [
    "a mean for each column but one",
    "import @torch.safetensors --from pytorch --columns a,b,c --mean 1,2 --deviation 1,1,1 --out @new.st",
    "--mean and --deviation need one number for each of the 3 columns",
  ],
  [
    "a mean of targets",
    "import @torch.safetensors --from pytorch --columns a,b,c --targets d --mean 1,2,3 --deviation 1,1,1 --out @new.st",
    "--mean and --deviation are for a model that forecasts its --columns, without --targets",
  ],
  [
    "a deviation of zero",
    "import @torch.safetensors --from pytorch --columns a,b,c --mean 1,2,3 --deviation 1,0,1 --out @new.st",
    "--deviation must be numbers above 0",
  ],
  [
    "a mean that is not a number",
    "import @torch.safetensors --from pytorch --columns a,b,c --mean 1,x,3 --deviation 1,1,1 --out @new.st",
    '--mean must be numbers, such as 0.5,2, got "1,x,3"',
  ],
  [
    "both meanings",
    "import @torch.safetensors --from pytorch --vocabulary @two.json --columns a --out @new.st",
    "give --vocabulary for a text model or --columns for a numeric one, not both",
  ],
  [
    "a model without a head",
    "import @torch-headless.safetensors --from pytorch --columns a,b,c --out @new.st",
    "torch-headless.safetensors: it has no dense layer after the recurrent ones, which a model needs",
  ],
  [
    "an unknown prefix",
    "import @torch.safetensors --from pytorch --prefix no. --out @new.st",
    'torch.safetensors: tensor "no.weight_hh_l0" is missing or is not [gates * hidden, hidden]',
  ],
  [
    "PyTorch as Flax",
    "import @torch.safetensors --from flax --out @new.st",
    "torch.safetensors: it has no hi/kernel, hr/kernel, dense_h/kernel or h/kernel, so these are not weights of a Flax LSTMCell, GRUCell or SimpleCell",
  ],
  [
    "a prefix for Keras",
    "import @torch.safetensors --from keras --prefix a --out @new.st",
    "--prefix is for --from pytorch; name layers with --layers, --embedding and --head",
  ],
  [
    "layers of PyTorch by name",
    "import @torch.safetensors --from pytorch --layers a,b --out @new.st",
    "--layers is for --from keras and flax; PyTorch numbers its layers",
  ],
  [
    "layers without a known order",
    "import @keras-named.safetensors --from keras --out @new.st",
    "keras-named.safetensors: neither the names nor the sizes of its recurrent layers, middle, start, determine their order; list them from the input with the option layers, or read a .keras or .weights.h5 file, which records it",
  ],
  [
    "a module of two meanings",
    "import @torch-either.safetensors --from pytorch --out @new.st",
    "torch-either.safetensors: its modules can be read in several ways: fc is the head, or fc is the embedding; name the embedding or the head (embedding, head)",
  ],
  [
    "a zip as PyTorch's",
    "import @pickle.pt --from pytorch --out @new.st",
    'pickle.pt is a zip or HDF5 file: write the state dict as safetensors, with safetensors.torch.save_file(model.state_dict(), "weights.safetensors"); for a Keras file, give --from keras',
  ],
  [
    "a zip as Keras's",
    "import @pickle.pt --from keras --out @new.st",
    "pickle.pt is a zip without config.json, so it is not a .keras file",
  ],
  ["damaged HDF5", "import @cut.h5 --from keras --out @new.st", "cut.h5: it cannot be read as HDF5: …"],
  [
    "an unsupported dtype",
    "import @torch-f8.safetensors --from pytorch --out @new.st",
    'torch-f8.safetensors: tensor "rnn.weight_hh_l0" has dtype "F8_E4M3"; supported are …',
  ],
  [
    "an unknown head",
    "import @torch.safetensors --from pytorch --head no --out @new.st",
    'torch.safetensors: tensor "no.weight" is missing: it is the weight of no',
  ],
  [
    "an unknown embedding",
    "import @torch.safetensors --from pytorch --embedding no --out @new.st",
    'torch.safetensors: tensor "no.weight" is missing: it was named',
  ],
  [
    "a cell that PyTorch does not have",
    "import @torch.safetensors --from pytorch --cell janet --out @new.st",
    'cell "janet" has no counterpart in other frameworks; cells with one are rnn, relu-rnn, lstm, gru-reset-after, gru',
  ],
  [
    "an export without a format",
    "export @text.safetensors --out @new.st",
    "required option '--to <format>' not specified; see --help",
  ],
  [
    "an export to an unknown format",
    "export @text.safetensors --to tensorflow --out @new.st",
    "option '--to <format>' argument 'tensorflow' is invalid. Allowed choices are pytorch, keras, onnx, jax; see --help",
  ],
  [
    "an export without an output",
    "export @text.safetensors --to onnx",
    "required option '--out <path>' not specified; see --help",
  ],
  [
    "an export of a missing model",
    "export @absent.safetensors --to onnx --out @new.st",
    "absent.safetensors: no such file",
  ],
  [
    "an export of a text",
    "export @text.txt --to onnx --out @new.st",
    "text.txt is not a safetensors file, the format of models and weights",
  ],
  [
    "an export of plain weights as ONNX",
    "export @other.safetensors --to onnx --out @new.st",
    "other.safetensors is not a usable model: its metadata does not say that cellgrad wrote it",
  ],
  [
    "an export of a model with NaN",
    "export @nan.safetensors --to onnx --out @new.st",
    'nan.safetensors is not a usable model: "head/bias" is damaged: 11 of its 11 numbers are not finite (NaN)',
  ],
  [
    "an export of a cell that PyTorch does not have",
    "export @fine.safetensors --to pytorch --out @new.st",
    "fine.safetensors: it has no layer; expected parameters such as layers/0/lstm/input/kernel",
  ],
  [
    "an unknown form",
    "export @text.safetensors --to onnx --form loop --out @new.st",
    "option '--form <form>' argument 'loop' is invalid. Allowed choices are sequence, step; see --help",
  ],
  ["a form of weights", "export @text.safetensors --to keras --form step --out @new.st", "--form is for --to onnx"],
  [
    "a prefix of Keras's names",
    "export @text.safetensors --to keras --prefix a --out @new.st",
    "--prefix is for --to pytorch",
  ],
  ["--like for Keras", "export @text.safetensors --to keras --like x --out @new.st", "--like is for --to pytorch"],
  [
    "a missing --like state dict",
    "export @text.safetensors --to pytorch --like @absent.safetensors --out @new.st",
    "absent.safetensors: no such file",
  ],
  [
    "a --like state dict that is a text",
    "export @text.safetensors --to pytorch --like @text.txt --out @new.st",
    "text.txt is not a safetensors file, the format of models and weights",
  ],
  [
    "a --like state dict of something else",
    "export @text.safetensors --to pytorch --like @other.safetensors --out @new.st",
    "other.safetensors: it has no weight_ih_l0, so it is not a state dict with an nn.RNN, nn.LSTM or nn.GRU",
  ],
];
