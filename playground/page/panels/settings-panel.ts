/** @file The sizes of the networks, how they are trained, and the learning rate, which is live. */
import {
  type NumberKey,
  optimizerNames,
  type RunSettings,
  ranges,
  scheduleNames,
  withOptimizer,
} from "../../shared/settings.ts";
import { h } from "../dom.ts";
import type { Training } from "../session/training.ts";
import type { Workspace } from "../session/workspace.ts";
import { numberInput, selectField } from "./field.ts";

const sizes = ["units", "layers", "time", "batch", "embed", "seed"] as const;
const updates = ["weightDecay", "clipNorm"] as const;
const schedule = ["scheduleSteps", "warmup"] as const;
const dropped = ["dropout", "recurrentDropout", "zoneout"] as const;

const optimizerTitles: Readonly<Record<(typeof optimizerNames)[number], string>> = {
  adam: "Adam",
  adamw: "AdamW",
  sgd: "SGD",
  momentum: "Momentum",
  nesterov: "Nesterov",
  rmsprop: "RMSProp",
  adagrad: "Adagrad",
  lion: "Lion",
};

const scheduleTitles: Readonly<Record<(typeof scheduleNames)[number], string>> = {
  constant: "Constant",
  linear: "Linear to 0",
  cosine: "Cosine to 0",
  step: "Steps of a tenth",
};

export function settingsPanel(workspace: Workspace): HTMLElement {
  const said = h("p", { class: "about wrong", role: "status", hidden: true });
  const say = (line: string | undefined) => {
    said.hidden = line === undefined;
    said.textContent = line ?? "";
  };
  const shownBy: ((settings: RunSettings) => void)[] = [];
  const field = (key: NumberKey) => {
    const numberIn = (settings: RunSettings) => settings[key] ?? 0;
    const { element, show } = numberInput({
      ...ranges[key],
      value: numberIn(workspace.settings.value),
      onChange: (value) => workspace.change({ [key]: key === "clipNorm" && value === 0 ? null : value }),
      onCorrected: say,
    });
    shownBy.push((settings) => show(numberIn(settings)));
    return element;
  };
  const choice = <T extends "optimizer" | "schedule">(
    ...[key, label, names, titles]: [T, string, readonly RunSettings[T][], Readonly<Record<RunSettings[T], string>>]
  ) => {
    const choices = names.map((name) => ({ value: name, label: titles[name] }));
    const { element, select } = selectField(label, choices, (value) => {
      const name = names.find((known) => known === value);
      if (name !== undefined) choose(key, name);
    });
    shownBy.push((settings) => {
      select.value = settings[key];
    });
    return element;
  };
  const choose = <T extends "optimizer" | "schedule">(key: T, name: RunSettings[T]) => {
    const { value: settings } = workspace.settings;
    const optimizer = optimizerNames.find((known) => known === name);
    const change =
      key === "optimizer" && optimizer !== undefined ? withOptimizer(settings, optimizer) : { [key]: name };
    workspace.change(change);
  };
  const scheduleFields = schedule.map(field);
  shownBy.push(({ schedule: name }) => {
    const [length] = scheduleFields;
    if (length !== undefined) length.hidden = name === "constant";
  });
  const group = (title: string, ...fields: readonly HTMLElement[]) =>
    h("fieldset", {}, h("legend", {}, title), h("div", { class: "fields" }, ...fields));
  const more = h(
    "details",
    { class: "more" },
    h("summary", {}, "More settings: optimizer, schedule, dropout, clipping"),
    group("Update", choice("optimizer", "Optimizer", optimizerNames, optimizerTitles), ...updates.map(field)),
    group("Learning rate over time", choice("schedule", "Schedule", scheduleNames, scheduleTitles), ...scheduleFields),
    group("Dropped while training", ...dropped.map(field)),
  );
  const basic = h("div", { class: "fields" }, ...sizes.map(field));
  workspace.settings.follow((settings) => {
    for (const show of shownBy) show(settings);
  });
  return h("details", { class: "sizes" }, h("summary", {}, "Sizes and settings"), basic, more, said);
}

const slowest = 1e-5;
const fastest = 1;

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
    workspace.change({ learningRate: value });
    training.rateChanged();
  });
  workspace.settings.follow(({ learningRate }) => {
    if (document.activeElement !== slider) slider.value = String(Math.log(learningRate));
    say(learningRate);
  });
  return h("label", { class: "rate" }, h("span", {}, "Learning rate"), slider, output);
}
