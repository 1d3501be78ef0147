// Waits that grow while a store fails, so that its return is not met by a storm.

const FIRST_WAIT_MS = 50;
/** Short enough that work goes on within seconds of the store's return. */
const LONGEST_WAIT_MS = 2_000;

export interface Backoff {
  readonly attempts: number;
  reset(): void;
  /** Waits between half and all of a time that doubles, up to two seconds. */
  wait(): Promise<void>;
}

export function createBackoff(): Backoff {
  let attempts = 0;
  return {
    get attempts() {
      return attempts;
    },
    reset: () => {
      attempts = 0;
    },
    wait: async () => {
      attempts += 1;
      const fullMs = Math.min(FIRST_WAIT_MS * 2 ** (attempts - 1), LONGEST_WAIT_MS);
      await new Promise((resolve) => {
        setTimeout(resolve, fullMs * (0.5 + Math.random() / 2));
      });
    },
  };
}
