/** @file A page that trains when it is opened. */
import { train } from "./train.ts";

const { device, losses } = await train();
document.body.textContent = JSON.stringify({ device, losses });
