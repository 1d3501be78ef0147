// The handler of the launchers' conformance suite, as a module for threads.
export { performLauncherAct as default } from "../../../src/testing/launchers/acts.ts";
