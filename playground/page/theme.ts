/** @file Light or dark: as the system has it, until the visitor chooses. */
import { button } from "./dom.ts";

const key = "cellgrad-theme";

export function themeButton(): HTMLButtonElement {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const stored = read();
  if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  const toggle = button("", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    write(root.dataset.theme);
    show();
  });
  const show = () => {
    toggle.textContent = isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"}`);
  };
  system.addEventListener("change", show);
  show();
  return toggle;
}

/** A browser may keep nothing for pages; then the choice lasts until the page is left. */
function read(): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // As above.
  }
}
