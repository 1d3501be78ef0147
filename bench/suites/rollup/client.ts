// What every client of the rollup suite can be asked. Each file beside this one exports one as `client`.

/** What a client has done and used since its process began. */
export interface Sample {
  readonly messages: number;
  readonly cpuMicros: number;
}

export interface Client {
  /** Connects and counts. */
  connect(url: string): Promise<void>;
  sample(): Promise<Sample>;
  /** Bytes in use after a collection of garbage, memory outside of the heap included. */
  memoryBytes(): Promise<number>;
  stop(): Promise<void>;
}

/** The processor time of this process, in microseconds. */
export function ownCpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Memory in use by this process, in bytes. */
export async function ownMemoryBytes(): Promise<number> {
  // Twice, with the loop in between: buffers are let go of by finalizers.
  globalThis.gc?.();
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
