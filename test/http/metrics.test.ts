// Metrics tell how the queues stand when they are scraped, in a registry of the service's own or of its host program.
import { Registry, collectDefaultMetrics } from "prom-client";
import { expect, test } from "vitest";
import { startService } from "./service.ts";

test("a queue that was paused is counted by the very next scrape", async () => {
  await using service = await startService({ works: false });
  const paused = async (): Promise<string | undefined> =>
    /^millrace_queues_paused (\d+)$/m.exec((await service.call("GET", "/metrics")).text)?.[1];
  expect(await paused()).toBe("0");
  await service.mill.pause("idle");
  expect(await paused()).toBe("1");
  await service.mill.resume("idle");
  expect(await paused()).toBe("0");
});

test("a registry of the host program may have the metrics of its process already", async () => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  await using service = await startService({ works: false, registry });
  const { text } = await service.call("GET", "/metrics");
  expect(text).toMatch(/^process_cpu_user_seconds_total /m);
  expect(text).toMatch(/^millrace_jobs\{queue="idle",state="ready"\} 0$/m);
});

test("a registry of its own has the metrics of the process", async () => {
  await using service = await startService({ works: false });
  expect((await service.call("GET", "/metrics")).text).toMatch(/^process_cpu_user_seconds_total /m);
});

test("a long poll whose client hangs up is no fault of the service", async () => {
  await using service = await startService({ works: false });
  const { id } = (await service.call("POST", "/v1/jobs", { body: { type: "idle" } })).json;
  const metric = /requests_total\{operation="awaitJob",status="(\d+)"\} (\d+)/;
  const poll = fetch(`${service.url}/v1/jobs/${id}/result?wait=30s`, {
    signal: AbortSignal.timeout(500),
  });
  await expect(poll).rejects.toMatchObject({ name: "TimeoutError" });
  await expect
    .poll(async () => metric.exec((await service.call("GET", "/metrics")).text)?.slice(1))
    .toEqual(["499", "1"]);
});
