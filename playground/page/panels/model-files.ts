/** @file The trained model as a file, to keep and to load again. */

import type { LoadedModel } from "../../shared/protocol.ts";
import { button, h } from "../dom.ts";
import { download } from "../export/download.ts";
import { byteSize } from "../numbers.ts";
import type { Signal } from "../session/signal.ts";
import { messageOf, type Training } from "../session/training.ts";
import type { WorkerClient } from "../worker-client.ts";

export function modelFiles(
  training: Training,
  worker: WorkerClient,
  chosen: Signal<string | undefined>,
  loaded: Signal<LoadedModel | undefined>,
): { readonly element: HTMLElement; readonly take: (file: File) => Promise<void> } {
  const note = h("p", { class: "about", role: "status" });
  const say = (text: string, wrong = false) => {
    note.textContent = text;
    note.classList.toggle("wrong", wrong);
  };
  const save = button("Download the model", async () => {
    const { value: run } = chosen;
    if (run === undefined) return;
    try {
      const { file, bytes } = await worker.ask({ type: "saveModel", run });
      download(file, new Blob([bytes], { type: "application/octet-stream" }));
      say(`${file}, ${byteSize(bytes.length)}: weights and the cell itself, in the safetensors format.`);
    } catch (error) {
      say(messageOf(error), true);
    }
  });
  const take = async (file: File, run?: string) => {
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const model = await worker.ask({ type: "loadModel", name: file.name, bytes, ...(run !== undefined && { run }) }, [
        bytes.buffer,
      ]);
      loaded.set(model);
      const { cell, units, layers } = model;
      say(
        `${file.name}: ${cell}, ${layers} ${layers === 1 ? "layer" : "layers"} of ${units} units${run === undefined ? ". It can write now" : `. ${run} goes on from it`}.`,
      );
    } catch (error) {
      say(`${file.name}: ${messageOf(error)}`, true);
    }
  };
  const fileInput = (label: string, runOf: () => string | undefined) => {
    const input = h("input", { type: "file", accept: ".safetensors", class: "hidden-file", "aria-label": label });
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      input.value = "";
      if (file !== undefined) void take(file, runOf());
    });
    return h("label", { class: "button" }, label, input);
  };
  const load = fileInput("Load a model", () => undefined);
  const goOn = fileInput("Train on from a model", () => chosen.value);
  const update = () => {
    const isRun = training.runs.value.some(({ run }) => run === chosen.value);
    save.disabled = !isRun;
    goOn.hidden = !isRun;
  };
  chosen.follow(update);
  training.runs.follow(update);
  return {
    element: h("div", { class: "model-files" }, h("div", { class: "row" }, save, load, goOn), note),
    take: (file) => take(file),
  };
}
