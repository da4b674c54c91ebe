/** @file Labelled fields: numbers, choices, sliders. */
import { correctedNumber } from "../corrected-number.ts";
import { type Attributes, h } from "../dom.ts";

export interface NumberField {
  readonly label: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
  readonly hint?: string;
  readonly onChange: (value: number) => void;
  /** A line where the number given was none, or out of range; undefined once one is right. */
  readonly onCorrected?: (line: string | undefined) => void;
}

export interface NumberInput {
  readonly element: HTMLLabelElement;
  /** Shows another value, unless one is being typed. */
  readonly show: (value: number) => void;
}

/** A field for a number. */
export function numberField(field: NumberField): HTMLLabelElement {
  return numberInput(field).element;
}

/** What is no number, or out of range, goes back to the nearest that is right. */
export function numberInput(field: NumberField): NumberInput {
  const { label, value, least, most, whole, hint, onChange, onCorrected } = field;
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
    const corrected = correctedNumber(input.value, last, field);
    last = corrected.value;
    input.value = String(last);
    onCorrected?.(corrected.line);
    onChange(last);
  });
  return {
    element: h("label", { class: "field", title: hint }, h("span", {}, label), input),
    show: (value) => {
      if (value === last) return;
      last = value;
      input.value = String(value);
    },
  };
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
