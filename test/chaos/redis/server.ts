// A Redis server that faults happen to: killed and started again on the same port and files, stopped and continued.
import {
  type RedisServer,
  type RedisServerOptions,
  startRedis,
} from "../../servers/redis-server.ts";

/** Append-only file, flushed before every answer: only then does a killed server lose nothing for sure. */
export const APPEND_ALWAYS: readonly string[] = ["--appendonly", "yes", "--appendfsync", "always"];

/** A server through all of its lives. */
export class MortalServer implements AsyncDisposable {
  #now: RedisServer;

  private constructor(server: RedisServer) {
    this.#now = server;
  }

  static async start(options: RedisServerOptions = {}): Promise<MortalServer> {
    return new MortalServer(await startRedis(options));
  }

  get url(): string {
    return this.#now.url;
  }

  get target(): { readonly host: string; readonly port: number } {
    return { host: "127.0.0.1", port: this.#now.port };
  }

  /** The server of this life. */
  get now(): RedisServer {
    return this.#now;
  }

  kill(): Promise<void> {
    return this.#now.kill();
  }

  async restart(): Promise<void> {
    this.#now = await this.#now.restart();
  }

  /** Says something to the server itself, past every proxy. */
  say(...words: readonly (string | number)[]): Promise<unknown> {
    const [command = "", ...rest] = words;
    return this.#now.client.call(String(command), ...rest);
  }

  pause(): void {
    this.#now.process.kill("SIGSTOP");
  }

  resume(): void {
    this.#now.process.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.#now.stop();
  }
}
