// The suite `http`: the job service beside the same server answering a constant, and beside its router alone.
import { fork } from "node:child_process";
import { once } from "node:events";
import autocannon from "autocannon";
import type { Case, Measure, Measurement, Run, Suite } from "../harness/index.ts";

const PACE: Case = { unit: "requests/s", better: "higher" };
const CONNECTIONS = 50;
const INPUT = { orderId: "o-4711", amount: 1_999 };

interface Request {
  readonly method: "GET" | "POST";
  readonly path: (id: string) => string;
  readonly body?: string;
}

const CASES: Readonly<Record<string, Request>> = {
  "post-job": {
    method: "POST",
    path: () => "/job",
    body: JSON.stringify({ Type: "send-receipt", Data: JSON.stringify(INPUT) }),
  },
  "post-v1-job": {
    method: "POST",
    path: () => "/v1/jobs",
    body: JSON.stringify({ type: "send-receipt", input: INPUT }),
  },
  "get-job": { method: "GET", path: (id) => `/job/${id}` },
};

async function load(url: string, seconds: number, request: Request, id: string): Promise<number> {
  const { method, path, body } = request;
  const result = await autocannon({
    url: `${url}${path(id)}`,
    method,
    connections: CONNECTIONS,
    duration: seconds,
    ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } }),
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} requests were refused and ${result.errors} failed`);
  }
  return result.requests.average;
}

function measure(subject: string, request: Request): Measure {
  return async (run: Run) => {
    const server = fork(new URL("http/server.ts", import.meta.url), [subject, run.directory], {
      execArgv: ["--conditions=millrace-source"],
      // Killing a server writes nothing; a file in the way of its output would only cost.
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const [{ url, id }] = (await once(server, "message")) as [{ url: string; id: string }];
    // The first second compiles; only then the pace is the server's own.
    await load(url, 1, request, id);
    const pace = await load(url, run.isQuick ? 1 : 5, request, id);
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
    return { [nameOf(request)]: pace };
  };
}

function nameOf(request: Request): string {
  return Object.keys(CASES).find((name) => CASES[name] === request) ?? "";
}

export const suite: Suite = {
  name: "http",
  about: `SQLite on a file with full fsync, ${CONNECTIONS} connections, a small JSON body; constant: the same server, whose routes answer a constant; bare: its router and adapter alone`,
  reference: "constant",
  goals: [
    { case: "post-v1-job", subject: "millrace", against: { subject: "constant" }, atLeast: 0.5 },
  ],
  measurements: Object.entries(CASES).map(([name, request]): Measurement => ({
    cases: { [name]: PACE },
    subjects: {
      bare: measure("bare", request),
      constant: measure("constant", request),
      millrace: measure("millrace", request),
    },
  })),
};
