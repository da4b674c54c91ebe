/** @file Labelled fields: numbers, choices, sliders. */
import { type Attributes, h } from "../dom.ts";

export interface NumberField {
  readonly label: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
  readonly hint?: string;
  readonly onChange: (value: number) => void;
}

/** What is no number, or out of range, goes back to the nearest that is right. */
export function numberField({ label, value, least, most, whole, hint, onChange }: NumberField): HTMLLabelElement {
  const input = h("input", {
    type: "number",
    value,
    min: least,
    max: most,
    step: whole ? 1 : "any",
    inputmode: "decimal",
  });
  let last = value;
  input.addEventListener("change", () => {
    const given = input.valueAsNumber;
    if (Number.isFinite(given)) last = Math.min(most, Math.max(least, whole ? Math.round(given) : given));
    input.value = String(last);
    onChange(last);
  });
  return h("label", { class: "field", title: hint }, h("span", {}, label), input);
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

export function selectField(
  label: string,
  choices: readonly Choice[],
  onChoose: (value: string) => void,
  attributes: Attributes = {},
): { readonly element: HTMLLabelElement; readonly select: HTMLSelectElement } {
  const select = h("select", attributes);
  fillSelect(select, choices);
  select.addEventListener("change", () => onChoose(select.value));
  return { element: h("label", { class: "field" }, h("span", {}, label), select), select };
}

/** Other choices; the one that was chosen stays so where it still exists. */
export function fillSelect(select: HTMLSelectElement, choices: readonly Choice[]): void {
  const { value } = select;
  select.replaceChildren(...choices.map((choice) => h("option", { value: choice.value }, choice.label)));
  if (choices.some((choice) => choice.value === value)) select.value = value;
}

/** A select that does something and then shows its title again, like a menu. */
export function menu(title: string, choices: readonly Choice[], onChoose: (value: string) => void): HTMLSelectElement {
  const select = h("select", { class: "menu", "aria-label": title }, h("option", { value: "" }, title));
  select.append(...choices.map(({ value, label }) => h("option", { value }, label)));
  select.addEventListener("change", () => {
    const { value } = select;
    select.value = "";
    if (value !== "") onChoose(value);
  });
  return select;
}
