/** @file The text to learn from where a visitor has brought none: what this project says of itself. */
import architecture from "../../../docs/architecture.md?raw";

const guide = import.meta.glob<string>("../../../docs/guide/*.md", { query: "?raw", import: "default", eager: true });

export const documentation: string = [...Object.values(guide), architecture].join("\n");
