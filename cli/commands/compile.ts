/** @file `cellgrad compile`: compiles a trained model to WebAssembly that runs without cellgrad, with a loader and types. */
import { mkdir, stat } from "node:fs/promises";
import { join, parse } from "node:path";
import { UserError } from "../../compiler/graph/errors.ts";
import { readBytes } from "../../disk/data-files.ts";
import { fileFault } from "../../disk/file-faults.ts";
import { modelInWords, tokensOf } from "../../interchange/model-metadata.ts";
import { modelToWasm } from "../../interchange/standalone/model.ts";
import { decodeModel } from "../../train/files/model-file.ts";
import { ExitCode } from "../errors.ts";
import { prepareOutput } from "../model-output.ts";
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
  await makeFolder(out);
  const encoder = new TextEncoder();
  const contents = { wasm, js: encoder.encode(loader), "d.ts": encoder.encode(types) };
  // All output paths are checked before the first file is written.
  const files = await Promise.all(
    Object.entries(contents).map(async ([ending, bytes]) => ({
      output: await prepareOutput(join(out, `${name}.${ending}`), path),
      bytes,
    })),
  );
  for (const { output, bytes } of files) await output.write(bytes);
  const saved = files.map(({ output }) => output.path);
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

async function makeFolder(path: string): Promise<void> {
  if (path === "") throw new UserError("--out is empty; give the name of a folder");
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (found !== undefined) throw new UserError(`--out ${path} is not a folder; give the name of one`);
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fileFault(`--out ${path}`, error);
  });
}
