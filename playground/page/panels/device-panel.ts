/** @file A switch between devices: training goes on with another, and how fast each was stands side by side. */
import type { DeviceReport } from "../../shared/protocol.ts";
import { h } from "../dom.ts";
import { rate } from "../numbers.ts";
import type { Training } from "../session/training.ts";

type Kind = DeviceReport["kind"];

const labels: Readonly<Record<Kind, string>> = {
  gpu: "GPU (WebGPU)",
  cpu: "CPU (WebAssembly)",
  software: "WebGPU in software",
  interpreter: "Interpreter (float64)",
};
const kinds = Object.keys(labels) as Kind[];

export function devicePanel(training: Training): HTMLElement {
  const menu = h(
    "select",
    { "aria-label": "Device" },
    ...kinds.map((kind) => h("option", { value: kind }, labels[kind])),
  );
  const speeds = h("span", { class: "speeds" });
  const show = () => {
    const { value: device } = training.device;
    const { value: phase } = training.phase;
    menu.disabled = device === undefined || phase === "opening" || phase === "preparing";
    // A choice that was refused is taken back.
    if (!menu.disabled && device !== undefined) menu.value = device.kind;
  };
  for (const signal of [training.phase, training.device]) signal.follow(show);
  training.speeds.changed.follow(() => {
    speeds.textContent = kinds
      .flatMap((kind) => {
        const speed = training.speeds.of(kind);
        return speed === undefined ? [] : [`${labels[kind]} ${rate(speed)}`];
      })
      .join(", ");
    if (speeds.textContent !== "") speeds.append(" tokens/s");
  });
  menu.addEventListener("change", () => void training.switchDevice(menu.value as Kind));
  return h("div", { class: "devices" }, h("label", { class: "field" }, h("span", {}, "Device"), menu), speeds);
}
