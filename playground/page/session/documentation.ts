/** @file The text to learn from where a visitor has brought none: what this project says of itself. */
import architecture from "../../../docs/architecture.md?raw";
import guide from "../../../docs/guide.md?raw";

export const documentation: string = guide + architecture;
