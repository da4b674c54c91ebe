/** @file The gallery: a dialog with a card for each example, and the button that opens it. */
import { button, h } from "../dom.ts";
import { type Example, examples } from "./examples.ts";

/** `open` takes the example that was chosen. */
export function galleryButton(open: (example: Example) => void): HTMLElement {
  const title = h("h2", { id: "gallery-title" }, "Examples");
  const close = button("Close", () => dialog.close());
  const cards = examples.map((example) => {
    const { cells, data } = example.work;
    const card = button("", () => {
      dialog.close();
      open(example);
    });
    card.className = "example";
    const names = cells.map(({ name }) => name).join(", ");
    card.append(
      h("strong", {}, example.title),
      h("span", {}, example.about),
      h("small", {}, `${names} · ${data.kind === "task" ? data.name : "text"}`),
    );
    return h("li", {}, card);
  });
  const dialog = h(
    "dialog",
    { class: "gallery", "aria-labelledby": "gallery-title" },
    h("div", { class: "gallery-head" }, title, close),
    h("ul", {}, ...cards),
  );
  // A press beside the dialog is one on its backdrop, which belongs to it.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return button("Examples", () => dialog.showModal(), { "aria-haspopup": "dialog" });
}
