/** @file The commands that take weights and models in and out, their options and their help. */
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
      "a state dict of PyTorch, or weights of Keras by path, as safetensors; or Keras's own .keras, .weights.h5 or .h5",
    )
    .description("take weights of nn.RNN, nn.LSTM, nn.GRU or their Keras layers: as a model, or as parameters for code")
    .addOption(
      new Option("--from <framework>", "who wrote the file").choices(["pytorch", "keras"]).makeOptionMandatory(),
    )
    .requiredOption("--out <file>", "file for the model, or for the parameters (safetensors)")
    .option("--vocabulary <file>", "of text: a .json list of its symbols, or a text whose sorted characters they are")
    .option("--columns <names>", "of numbers: what is read, as a,b,c", names("--columns"))
    .option("--mean <numbers>", "what was subtracted from each column in training", numbers("--mean"))
    .option("--deviation <numbers>", "what each column was divided by after that", numbers("--deviation"))
    .option("--targets <names>", "what is found in them, where it is not what follows", names("--targets"))
    .option("--cell <cell>", "where the weights leave a choice: relu-rnn instead of rnn")
    .option("--prefix <text>", "of the recurrent module, where there are several: encoder.rnn. (PyTorch only)")
    .option("--embedding <name>", "module or layer of the embedding, where it is not the only one")
    .option("--head <name>", "module or layer behind the recurrent ones, where it is not the only one")
    .option(
      "--layers <names>",
      "the recurrent layers from the input on, where a file of Keras does not tell their order",
      names("--layers"),
    )
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `${examples([
        "cellgrad import char-rnn.safetensors --from pytorch --vocabulary book.txt --out book.safetensors",
        "cellgrad import sales-gru.keras --from keras --columns price,volume --out sales.safetensors",
        "cellgrad import tagger.safetensors --from pytorch --prefix encoder. --out parameters.safetensors",
      ])}\n\nIn Python:\n  safetensors.torch.save_file(model.state_dict(), "weights.safetensors")\n  safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, "weights.safetensors")`,
    )
    .action(async (file: string, options) => {
      const { importWeights } = await import("./commands/import.ts");
      finish(await importWeights(file, options, streams));
    });

  program
    .command("export")
    .argument("<model>", "a trained model, or parameters that import wrote")
    .description("write a model as weights for PyTorch or Keras, or as ONNX, which runs without cellgrad")
    .addOption(
      new Option("--to <format>", "who reads the file").choices(["pytorch", "keras", "onnx"]).makeOptionMandatory(),
    )
    .requiredOption("--out <file>", "the file: .safetensors, or .onnx")
    .addOption(
      new Option("--form <form>", "of ONNX: over whole sequences (the default), or one time step").choices([
        "sequence",
        "step",
      ]),
    )
    .option("--prefix <text>", "what names in the state dict start with: rnn. by default")
    .option(
      "--like <file>",
      "write into this state dict's names; what was not trained comes out as it was, bit for bit",
    )
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      examples([
        "cellgrad export book.safetensors --to onnx --out book.onnx",
        "cellgrad export book.safetensors --to pytorch --out state-dict.safetensors",
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
    .description("compile a model ahead of time: one .wasm file with its weights, a small loader, and its types")
    .addOption(new Option("--to <format>", "what it becomes").choices(["wasm"]).makeOptionMandatory())
    .option("--out <folder>", "folder for NAME.wasm, NAME.js and NAME.d.ts, after the model's name", ".")
    .option("--batch <n>", "rows side by side; texts and forecasts are written with 1", whole("--batch", 1, 65535), 1)
    .option("--json", "one JSON object")
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
