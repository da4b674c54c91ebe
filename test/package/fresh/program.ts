/** @file A program in Node or Deno: trains, keeps the model in a file, and reads it again. */
import { loadModel, saveModel } from "cellgrad/node";
import { train } from "./train.ts";

const { device, losses, model } = await train();
await saveModel("fox.safetensors", model);
const { kind, parameters } = await loadModel("fox.safetensors");
console.log(JSON.stringify({ device, losses, kind, paths: Object.keys(parameters) }));
