// The part of autocannon that the suite `http` uses; the package brings no types.
declare module "autocannon" {
  export interface Result {
    readonly requests: { readonly average: number };
    readonly "2xx": number;
    readonly non2xx: number;
    readonly errors: number;
  }
  export default function autocannon(options: {
    readonly url: string;
    readonly connections: number;
    readonly duration: number;
    readonly method: "GET" | "POST";
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  }): Promise<Result>;
}
