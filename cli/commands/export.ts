/** @file `cellgrad export`: exports a trained model as weights for PyTorch or Keras, or as an ONNX graph. */
import { UserError } from "../../compiler/graph/errors.ts";
import { readBytes } from "../../disk/data-files.ts";
import { kerasLayers, toKeras } from "../../interchange/keras.ts";
import { modelInWords, modelMetadata } from "../../interchange/model-metadata.ts";
import type { NetworkWeights } from "../../interchange/network-weights.ts";
import type { OnnxForm } from "../../interchange/onnx/model.ts";
import { fromParameters } from "../../interchange/parameters.ts";
import { type PyTorchReadOptions, pyTorchModule, toPyTorch, writtenLike } from "../../interchange/pytorch.ts";
import { weightsOf } from "../../interchange/rebuild.ts";
import { decodeModel, isModelFile } from "../../train/files/model-file.ts";
import { decodeTensors, encodeTensors, type TensorFile, withTensors } from "../../train/files/safetensors.ts";
import { ExitCode } from "../errors.ts";
import { prepareOutput } from "../model-output.ts";
import { writeFolder } from "../output-folder.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { describeWeights } from "../weights.ts";

export interface ExportCommandOptions {
  readonly to: "pytorch" | "keras" | "onnx" | "jax";
  readonly out: string;
  readonly form?: OnnxForm;
  readonly prefix?: string;
  readonly like?: string;
  /** The module of the model's cell, for JAX. */
  readonly cell?: string;
  readonly json?: boolean;
}

/** An exported file, and the lines printed about it. */
interface Exported {
  readonly bytes: Uint8Array;
  readonly about: string;
  readonly use: string;
}

export async function exportModel(path: string, options: ExportCommandOptions, { stdout }: Streams): Promise<number> {
  const { to, form, prefix, like } = options;
  if (form !== undefined && to !== "onnx") throw new UserError("--form is for --to onnx");
  if ((prefix !== undefined || like !== undefined) && to !== "pytorch")
    throw new UserError(`${prefix === undefined ? "--like" : "--prefix"} is for --to pytorch`);
  if (options.cell !== undefined && to !== "jax") throw new UserError("--cell is for --to jax");
  if (to === "jax") return exportFolder(path, options, stdout);
  const output = await prepareOutput(options.out, path);
  const bytes = await readBytes(path);
  const exported = to === "onnx" ? await onnx(bytes, path, form) : await tensorsFor(to, bytes, path, options);
  await output.write(exported.bytes);
  const { about, use } = exported;
  if (options.json) jsonLine(stdout, { to, about, use, bytes: exported.bytes.length, out: output.path });
  else {
    line(stdout, `${path}: ${about}`);
    line(stdout, `saved ${output.path}; ${use}`);
  }
  return ExitCode.ok;
}

/** Writes a folder that trains the model with JAX. */
async function exportFolder(
  path: string,
  { to, out, cell, json }: ExportCommandOptions,
  stdout: Streams["stdout"],
): Promise<number> {
  const model = decodeModel(await readBytes(path), path);
  const { jaxFolder } = await import("../jax-folder.ts");
  const contents = await jaxFolder(model, cell);
  const saved = await writeFolder(out, contents, path);
  const about = modelInWords(model);
  const use = "see its README.md; python train.py DATA goes on with the model";
  if (json) jsonLine(stdout, { to, about, use, files: saved });
  else {
    line(stdout, `${path}: ${about}`);
    line(stdout, `saved ${saved.join(", ")}; ${use}`);
  }
  return ExitCode.ok;
}

async function onnx(bytes: Uint8Array, path: string, form: OnnxForm = "sequence"): Promise<Exported> {
  // Loaded only here, because it imports the protobuf encoder.
  const { modelToOnnx } = await import("../../interchange/onnx/model.ts");
  const model = decodeModel(bytes, path);
  const shape = form === "sequence" ? "[T, B, …]" : "[B, …]";
  return {
    bytes: modelToOnnx(model, form),
    about: modelInWords(model),
    use: `x is ${shape}, any batch${form === "sequence" ? " and length" : ""}; pass zeros as state/… first, then the next/… that it returned`,
  };
}

async function tensorsFor(
  to: "pytorch" | "keras",
  bytes: Uint8Array,
  path: string,
  { prefix, like }: ExportCommandOptions,
): Promise<Exported> {
  const decoded = decodeTensors(bytes, path);
  // A model file also holds more than weights, such as the optimizer state.
  const model = isModelFile(decoded) ? decodeModel(bytes, path) : undefined;
  const weights = model === undefined ? fromParameters(decoded.tensors, path) : weightsOf(model, path);
  const about = describeWeights(weights);
  const metadata = model === undefined ? {} : modelMetadata(model);
  const file = (tensors: TensorFile["tensors"], format: string) =>
    encodeTensors({ tensors, metadata: { ...metadata, format } });
  if (to === "keras") {
    const use = `the layers are ${kerasLayers(weights)}; for w in model.weights: w.assign(tensors[w.path])`;
    return { bytes: file(toKeras(weights), "np"), about, use };
  }
  const names = prefix === undefined ? {} : { prefix };
  const written = like === undefined ? file(toPyTorch(weights, names), "pt") : await likeFile(weights, like, names);
  return { bytes: written, about, use: `the recurrent module is ${pyTorchModule(weights)}` };
}

/** Writes the weights into a copy of the file `like`; its other tensors are copied unchanged, whatever their dtype. */
async function likeFile(weights: NetworkWeights, like: string, names: PyTorchReadOptions): Promise<Uint8Array> {
  const bytes = await readBytes(like);
  const { tensors } = decodeTensors(bytes, like);
  return withTensors(bytes, like, { tensors: writtenLike(weights, tensors, like, names), metadata: {} });
}
