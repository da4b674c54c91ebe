/** @file Writes with a model: text as it comes, or a forecast, and under it what its gates and states did at each step. */

import type { LoadedModel, Sample } from "../../shared/protocol.ts";
import { coloursOf } from "../diagram/gate-colours.ts";
import { button, h } from "../dom.ts";
import { forecastFigure } from "../plots/forecast.ts";
import { heatMap, scopeOf } from "../plots/heat-map.ts";
import { Signal } from "../session/signal.ts";
import { messageOf, type Training } from "../session/training.ts";
import type { WorkerClient } from "../worker-client.ts";
import { numberField } from "./field.ts";
import { modelFiles } from "./model-files.ts";
import { runChoice } from "./run-choice.ts";

export function samplePanel(
  training: Training,
  worker: WorkerClient,
): { readonly element: HTMLElement; readonly takeModel: (file: File) => Promise<void> } {
  const loaded = new Signal<LoadedModel | undefined>(undefined);
  const others = new Signal<readonly string[]>([]);
  loaded.follow((model) =>
    others.set(model === undefined || training.runs.value.some(({ run }) => run === model.run) ? [] : [model.run]),
  );
  const { element: choice, chosen } = runChoice(training, others);
  const files = modelFiles(training, worker, chosen, loaded);
  const prompt = h("input", {
    type: "text",
    "aria-label": "Beginning of the text",
    placeholder: "Begin with… (may be empty)",
    spellcheck: "false",
  });
  const temperature = h("input", { type: "range", min: 0, max: 1.5, step: 0.05, value: 0.7 });
  const temperatureText = h("output", {}, "0.7");
  const warmth = h(
    "label",
    { class: "rate", title: "0 always takes the most likely character" },
    h("span", {}, "Temperature"),
    temperature,
    temperatureText,
  );
  let length = 120;
  let seed = 0;
  let request = 0;
  const text = h("pre", { class: "sample", "aria-live": "polite", hidden: true });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const map = h("div", {});
  const write = button("Write", () => void sample());

  const fail = (message: string | undefined) => {
    problem.hidden = message === undefined;
    problem.textContent = message ?? "";
  };
  const sample = async () => {
    const { value: run } = chosen;
    if (run === undefined) return;
    const own = ++request;
    write.disabled = true;
    fail(undefined);
    text.hidden = false;
    text.replaceChildren(h("b", {}, prompt.value));
    map.replaceChildren();
    try {
      const asked = { run, length, trace: true, seed: seed++, temperature: temperature.valueAsNumber };
      writing = text;
      const begin = prompt.value === "" ? {} : { prompt: prompt.value };
      const result = await training.aside(() => worker.ask({ type: "sample", ...asked, ...begin }));
      if (own === request) show(result);
    } catch (error) {
      text.hidden = true;
      fail(messageOf(error));
    } finally {
      writing = undefined;
      write.disabled = chosen.value === undefined;
    }
  };
  let writing: HTMLElement | undefined;
  worker.onEvent((event) => {
    if (event.type === "sampled") writing?.append(event.text);
  });
  /** A loaded model brings its own; a run has those of the data. */
  const columnNames = (run: string): readonly string[] => {
    const { value: model } = loaded;
    const { value: data } = training.data;
    if (model !== undefined && model.run === run) return model.columns ?? [];
    return (data?.kind === "regression" ? data.targets : data?.columns) ?? [];
  };
  const show = (result: Sample) => {
    if (result.rows !== undefined) {
      text.hidden = true;
      map.replaceChildren(...forecastFigure(result, columnNames(result.run)));
    } else text.replaceChildren(h("b", {}, result.prompt), result.text);
    if (result.trace === undefined) return;
    const scopes = result.trace.values.map(({ name }) => scopeOf(name));
    map.append(heatMap(result.trace, training.gateColoursOf(result.run) ?? coloursOf(scopes)));
  };
  temperature.addEventListener("input", () => {
    temperatureText.textContent = String(temperature.valueAsNumber);
  });
  prompt.addEventListener("keydown", ({ key }) => {
    if (key === "Enter" && !write.disabled) void sample();
  });
  const empty = h("p", { class: "empty" }, "Once something has been trained, or a model is loaded, it can write here.");
  const update = () => {
    const { value: run } = chosen;
    write.disabled = run === undefined;
    empty.hidden = run !== undefined;
    const { value: model } = loaded;
    const kind = model !== undefined && model.run === run ? model.kind : training.data.value?.kind;
    // Numbers are not begun with letters, nor are they drawn.
    for (const field of [prompt, warmth]) field.hidden = kind !== undefined && kind !== "text";
  };
  for (const signal of [chosen, training.data, loaded]) signal.follow(update);
  const element = h(
    "div",
    { class: "sample-panel" },
    h(
      "div",
      { class: "row" },
      choice,
      prompt,
      warmth,
      numberField({
        label: "Length",
        value: length,
        least: 1,
        most: 2000,
        whole: true,
        onChange: (value) => {
          length = value;
        },
      }),
      write,
    ),
    empty,
    problem,
    text,
    map,
    files.element,
  );
  return { element, takeModel: files.take };
}
