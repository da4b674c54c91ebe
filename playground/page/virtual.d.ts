/** @file Modules that the build makes. */

declare module "virtual:sandbox-script" {
  const script: string;
  export default script;
}
