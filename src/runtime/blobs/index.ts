// The door of large data: the seam of blob stores, the directory, and the values of jobs that are put away in one.
export type * from "./blob-store.ts";
export { cleanPage, createBlobCleaner } from "./cleaner.ts";
export { type DirectoryBlobOptions, createDirectoryBlobs } from "./directory.ts";
export {
  type BlobOptions,
  type LargeValues,
  checkBlobOptions,
  inPlace,
  isReference,
  openLargeValues,
} from "./large-values.ts";
