/** @file `cellgrad compile`: compiles a trained model to WebAssembly that runs without cellgrad, with a loader and types. */
import { parse } from "node:path";
import { readBytes } from "../../disk/data-files.ts";
import { modelInWords, tokensOf } from "../../interchange/model-metadata.ts";
import { modelToWasm } from "../../interchange/standalone/model.ts";
import { decodeModel } from "../../train/files/model-file.ts";
import { ExitCode } from "../errors.ts";
import { writeFolder } from "../output-folder.ts";
import { jsonLine, line, type Streams } from "../streams.ts";

export interface CompileCommandOptions {
  readonly to: "wasm";
  readonly out: string;
  readonly batch: number;
  readonly json?: boolean;
}

export async function compileModel(path: string, options: CompileCommandOptions, { stdout }: Streams): Promise<number> {
  const { to, out, batch, json } = options;
  const model = decodeModel(await readBytes(path), path);
  const { name } = parse(path);
  const { wasm, loader, types } = modelToWasm(model, { batch, name });
  const encoder = new TextEncoder();
  const contents = {
    [`${name}.wasm`]: wasm,
    [`${name}.js`]: encoder.encode(loader),
    [`${name}.d.ts`]: encoder.encode(types),
  };
  const saved = await writeFolder(out, contents, path);
  const about = modelInWords(model);
  if (json) {
    jsonLine(stdout, { to, about, batch, bytes: wasm.length, files: saved });
    return ExitCode.ok;
  }
  line(stdout, `${path}: ${about}`);
  if (tokensOf(model) === "tokenizer")
    line(stdout, "note: the loader does not include the model's tokenizer: its steps take token numbers");
  line(stdout, `saved ${saved.join(", ")}; use it with: import { load } from ${JSON.stringify(`./${name}.js`)}`);
  return ExitCode.ok;
}
