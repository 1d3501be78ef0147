// The door of the chaos harness: what scenarios are made of.
export { EffectLog, machineNowMs, readEffects, readPromises } from "./effect-log.ts";
export type { Acknowledgement, Effect, Promises } from "./effect-log.ts";
export { TransitionCounter, judge } from "./oracle.ts";
export { cutPower, restore } from "./power-loss.ts";
export { type Message, Program } from "./process.ts";
export type { Random } from "./random.ts";
export type { Chaos, Scenario } from "./scenario.ts";
export { missingSmallDisk, onSmallDisk } from "./small-disk.ts";
export { missingStrace, tracedTo, withFailing } from "./strace.ts";
export { TcpProxy } from "./tcp-proxy.ts";
