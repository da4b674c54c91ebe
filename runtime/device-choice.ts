/** @file What a caller asks of a host. It names nothing of WebGPU's, for the package's public types. */

/** Which adapter to use. "auto" takes a graphics card where there is one and a software adapter otherwise. */
export type DeviceChoice = "auto" | "gpu" | "software";
