/** @file Modules that the build makes. */

declare module "virtual:sandbox-script" {
  const script: string;
  export default script;
}

declare module "virtual:zoo" {
  const zoo: readonly import("./preset.ts").Preset[];
  export default zoo;
}
