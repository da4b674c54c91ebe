/** @file The commands import, export and compile: their options and help texts. */
import { type Command, Option } from "commander";
import { names, numbers, whole } from "./options.ts";
import type { Streams } from "./streams.ts";

interface Context {
  readonly streams: Streams;
  readonly finish: (exitCode: number) => void;
  readonly examples: (lines: readonly string[]) => string;
}

export function addWeightCommands(program: Command, { streams, finish, examples }: Context): void {
  program
    .command("import")
    .argument(
      "<file>",
      "a PyTorch state dict, or Keras or Flax weights by path, as .safetensors; or a Keras .keras, .weights.h5 or .h5 file",
    )
    .description(
      "import weights of nn.RNN, nn.LSTM, nn.GRU or the corresponding Keras layers or Flax cells, as a model or as parameters for code",
    )
    .addOption(
      new Option("--from <framework>", "framework that wrote the file")
        .choices(["pytorch", "keras", "flax"])
        .makeOptionMandatory(),
    )
    .requiredOption("--out <file>", "file for the model, or for the parameters (safetensors)")
    .option(
      "--vocabulary <file>",
      "for text: a .json list of the symbols, or a text that contains them (sorted by code point)",
    )
    .option("--columns <names>", "for numbers: names of the inputs, as a,b,c", names("--columns"))
    .option("--mean <numbers>", "mean that was subtracted from each column in training", numbers("--mean"))
    .option("--deviation <numbers>", "standard deviation that each column was divided by", numbers("--deviation"))
    .option(
      "--targets <names>",
      "names of the outputs, if they are not the next values of the columns",
      names("--targets"),
    )
    .option("--cell <cell>", "the cell, if the weights fit several: relu-rnn instead of rnn")
    .option("--prefix <text>", "name of the recurrent module, if there are several: encoder.rnn. (PyTorch only)")
    .option("--embedding <name>", "name of the embedding's module or layer, if there are several")
    .option("--head <name>", "name of the module or layer after the recurrent ones, if there are several")
    .option(
      "--layers <names>",
      "the recurrent layers in order from the input, if a Keras or Flax file does not record it",
      names("--layers"),
    )
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `${examples([
        "cellgrad import char-rnn.safetensors --from pytorch --vocabulary book.txt --out book.safetensors",
        "cellgrad import sales-gru.keras --from keras --columns price,volume --out sales.safetensors",
        "cellgrad import tagger.safetensors --from pytorch --prefix encoder. --out parameters.safetensors",
      ])}\n\nIn Python:\n  safetensors.torch.save_file(model.state_dict(), "weights.safetensors")\n  safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, "weights.safetensors")\n  safetensors.flax.save_file(flax.traverse_util.flatten_dict(params, sep="/"), "weights.safetensors")`,
    )
    .action(async (file: string, options) => {
      const { importWeights } = await import("./commands/import.ts");
      finish(await importWeights(file, options, streams));
    });

  program
    .command("export")
    .argument("<model>", "a trained model, or parameters written by import")
    .description(
      "export a model as weights for PyTorch or Keras, as ONNX, which runs without cellgrad, or as JAX source that trains it",
    )
    .addOption(
      new Option("--to <format>", "target format").choices(["pytorch", "keras", "onnx", "jax"]).makeOptionMandatory(),
    )
    .requiredOption("--out <path>", "output file: .safetensors, or .onnx; for JAX a folder")
    .option("--cell <cell>", "for JAX: the module that exports the model's cell, unless it is a built-in one")
    .addOption(
      new Option("--form <form>", "for ONNX: a graph over whole sequences (the default) or of one time step").choices([
        "sequence",
        "step",
      ]),
    )
    .option("--prefix <text>", "prefix of the names in the state dict (default: rnn.)")
    .option("--like <file>", "use the names of this state dict; tensors that were not trained are copied bit for bit")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      examples([
        "cellgrad export book.safetensors --to onnx --out book.onnx",
        "cellgrad export book.safetensors --to pytorch --out state-dict.safetensors",
        "cellgrad export book.safetensors --to jax --out book-jax",
        "cellgrad export book.safetensors --to pytorch --like char-rnn.safetensors --out tuned.safetensors",
      ]),
    )
    .action(async (model: string, options) => {
      const { exportModel } = await import("./commands/export.ts");
      finish(await exportModel(model, options, streams));
    });

  program
    .command("compile")
    .argument("<model>", "a trained model")
    .description("compile a model ahead of time: one .wasm file with its weights, a small loader, and types")
    .addOption(new Option("--to <format>", "target format").choices(["wasm"]).makeOptionMandatory())
    .option("--out <folder>", "folder for NAME.wasm, NAME.js and NAME.d.ts, where NAME is the model's", ".")
    .option("--batch <n>", "sequences side by side; sample and forecast need 1", whole("--batch", 1, 65535), 1)
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `${examples([
        "cellgrad compile book.safetensors --to wasm",
        "cellgrad compile book.safetensors --to wasm --out page/models",
      ])}\n\nIn JavaScript:\n  import { load } from "./book.js";\n  const model = await load();\n  for (const character of model.sample({ length: 200 })) console.log(character);`,
    )
    .action(async (model: string, options) => {
      const { compileModel } = await import("./commands/compile.ts");
      finish(await compileModel(model, options, streams));
    });
}
