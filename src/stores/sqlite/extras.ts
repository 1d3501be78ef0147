// What a job may have beside its row.

/** What a job may have in other tables, as bits of `extras`: a plain job is removed without looking there. */
export const EXTRA = {
  input: 1,
  result: 2,
  logs: 4,
  tags: 8,
  run: 16,
  parent: 32,
  /** It counts at gates, stands under a key with a choice, stands for others: until it ends. See keyed.ts. */
  keys: 64,
  standing: 128,
  unique: 256,
} as const;
