/** @file The sizes of the networks, and the learning rate, which is live. */
import type { RunSettings } from "../../shared/protocol.ts";
import { h } from "../dom.ts";
import type { Training } from "../session/training.ts";
import type { Workspace } from "../session/workspace.ts";
import { numberField } from "./field.ts";

interface Size {
  readonly key: "units" | "layers" | "embed" | "batch" | "time" | "seed";
  readonly label: string;
  readonly hint: string;
  readonly least: number;
  readonly most: number;
}

const sizes: readonly Size[] = [
  { key: "units", label: "Units", hint: "Numbers in each state", least: 1, most: 1024 },
  { key: "layers", label: "Layers", hint: "Cells on top of each other", least: 1, most: 4 },
  {
    key: "time",
    label: "Steps back",
    hint: "Time steps in a batch: how far gradients reach back",
    least: 2,
    most: 1000,
  },
  { key: "batch", label: "Batch", hint: "Sequences side by side", least: 1, most: 256 },
  { key: "embed", label: "Embedding", hint: "Numbers that stand for a character", least: 1, most: 512 },
  { key: "seed", label: "Seed", hint: "Same seed, same weights, same bits", least: 0, most: 2 ** 32 - 1 },
];

export function sizesPanel(workspace: Workspace): HTMLElement {
  const fields = h("div", { class: "fields" });
  let shown: RunSettings | undefined;
  workspace.settings.follow((settings) => {
    const same =
      shown !== undefined &&
      [...sizes.map(({ key }) => key), "clipNorm" as const].every((key) => shown?.[key] === settings[key]);
    shown = settings;
    if (same) return;
    fields.replaceChildren(
      ...sizes.map(({ key, ...field }) =>
        numberField({
          ...field,
          whole: true,
          value: settings[key],
          onChange: (value) => workspace.change({ [key]: value }),
        }),
      ),
      numberField({
        label: "Clip gradients at",
        hint: "Largest norm of the gradient; 0 for any",
        value: settings.clipNorm ?? 0,
        least: 0,
        most: 1e6,
        whole: false,
        onChange: (value) => workspace.change({ clipNorm: value === 0 ? null : value }),
      }),
    );
  });
  return h("details", { class: "sizes" }, h("summary", {}, "Sizes, seed, clipping"), fields);
}

const slowest = 1e-5;
const fastest = 0.3;

/** A slider whose places are powers. */
export function learningRateField(workspace: Workspace, training: Training): HTMLElement {
  const slider = h("input", { type: "range", min: Math.log(slowest), max: Math.log(fastest), step: 0.01 });
  const output = h("output", {});
  const say = (value: number) => {
    output.textContent = String(Number(value.toPrecision(2)));
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.addEventListener("input", () => {
    const value = Number(Math.exp(slider.valueAsNumber).toPrecision(2));
    say(value);
    training.setLearningRate(value);
  });
  workspace.settings.follow(({ learningRate }) => {
    if (document.activeElement !== slider) slider.value = String(Math.log(learningRate));
    say(learningRate);
  });
  return h("label", { class: "rate" }, h("span", {}, "Learning rate"), slider, output);
}
