// What a store's thread finds in its environment.
import module from "node:module";

/**
 * The process's own, and its compile cache, which a thread doesn't take over by itself: without it each thread compiles
 * its modules anew, and from source strips their types too (82 s of processor time for the conformance suite on a file,
 * which starts a thread a case; 29 s with the cache).
 */
export function threadEnvironment(): NodeJS.ProcessEnv {
  const cache = module.getCompileCacheDir?.();
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: cache };
}
