// The door of the configuration: declare, load, check. `defineConfig` goes out by the package's own door.
export type { MillraceConfig } from "./define.ts";
export { CONFIG_FILES, loadConfig } from "./load.ts";
