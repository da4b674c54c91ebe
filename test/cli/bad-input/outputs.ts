/** @file Bad input: places that cannot be written to, or must not be. */
import type { BadInput } from "./row.ts";

export const outputs: readonly BadInput[] = [
  [
    "an output in no directory",
    "train @text.txt --out @no/such/m.st",
    "--out no/such/m.st: the directory no/such does not exist",
  ],
  [
    "an output below a file",
    "train @text.txt --out @one.txt/m.st",
    "--out one.txt/m.st: a part of the path is not a directory",
  ],
  [
    "an output that is a directory",
    "train @text.txt --out @folder",
    "--out folder is a directory; give the name of a file in it",
  ],
  ["an output that is a device", "train @text.txt --out /dev/null", "--out /dev/null: not a regular file"],
  ["an output without a name", "train @text.txt --out=", "--out is empty; give the name of a file"],
  ["the input as output", "train @text.txt --out @text.txt", "--out text.txt is an input file; give another name"],
  [
    "the cell's module as output",
    "train @text.txt --cell @fine.ts --out @fine.ts",
    "--out fine.ts is an input file; give another name",
  ],
  [
    "a name longer than a file may have",
    "train @text.txt --out @nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "--out nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: the name is too long",
  ],
  ["a log in no directory", "train @text.txt --log @no/x.log", "--log no/x.log: the directory no does not exist"],
  [
    "a log below a file",
    "train @text.txt --log @one.txt/x.log",
    "--log one.txt/x.log: a part of the path is not a directory",
  ],
  [
    "a log that is a directory",
    "train @text.txt --log @folder",
    "--log folder is a directory; give the name of a file in it",
  ],
  ["a log without a name", "train @text.txt --log=", "--log is empty; give the name of a file"],
  [
    "a log for TensorBoard without a folder",
    "train @text.txt --log tensorboard:",
    "--log tensorboard: names no folder; give one after the colon, or no colon",
  ],
  [
    "a log for TensorBoard in a file",
    "train @text.txt --log tensorboard:@one.txt",
    "--log tensorboard:one.txt is a file; give the name of a folder",
  ],
  [
    "a log for TensorBoard below a file",
    "train @text.txt --log tensorboard:@one.txt/run",
    "--log tensorboard:one.txt/run: a part of the path is not a directory",
  ],
  [
    "the input as log",
    "train @text.txt --log @text.txt",
    "--log text.txt is used by this run; give the log another name",
  ],
  [
    "the output as log",
    "train @text.txt --out @new.st --log @new.st",
    "--log new.st is used by this run; give the log another name",
  ],
  [
    "the exported model as output",
    "export @text.safetensors --to onnx --out @text.safetensors",
    "--out text.safetensors is an input file; give another name",
  ],
  [
    "the imported weights as output",
    "import @torch.safetensors --from pytorch --out @torch.safetensors",
    "--out torch.safetensors is an input file; give another name",
  ],
  [
    "an export to no directory",
    "export @text.safetensors --to onnx --out @no/m.onnx",
    "--out no/m.onnx: the directory no does not exist",
  ],
  [
    "a compilation to a file",
    "compile @text.safetensors --to wasm --out @one.txt",
    "--out one.txt is not a folder; give the name of one",
  ],
  [
    "a compilation below a file",
    "compile @text.safetensors --to wasm --out @one.txt/page",
    "--out one.txt/page: a part of the path is not a directory",
  ],
  [
    "a compilation to an empty path",
    "compile @text.safetensors --to wasm --out=",
    "--out is empty; give the name of a folder",
  ],
  [
    "an import to no directory",
    "import @torch.safetensors --from pytorch --out @no/m.st",
    "--out no/m.st: the directory no does not exist",
  ],
];
