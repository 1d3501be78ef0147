// Containers: refused where no engine answers; run where one does.
import { defineJob, createContainerLauncher, findContainerEngine, openMillrace } from "millrace";
import { expect, test } from "vitest";

const boxed = defineJob({
  name: "boxed",
  retry: { attempts: 1 },
  launch: {
    launcher: "container",
    options: { image: "alpine:3", command: ["cat"], maxMemoryBytes: 67_108_864 },
  },
});
const missing = await findContainerEngine(["docker", "podman"]).then(
  () => undefined,
  (error: unknown) => (error as Error).message,
);

test("a worker does not start where no engine answers, and says why", async () => {
  await using mill = await openMillrace({
    store: "memory:",
    logger: false,
    jobs: [boxed],
    launchers: [createContainerLauncher({ engine: "no-such-engine" })],
  });
  await expect(mill.start()).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: expect.stringContaining("no-such-engine: not on PATH") as string,
  });
});

test.skipIf(missing !== undefined)(
  `a job runs in a container${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  async () => {
    await using mill = await openMillrace({ store: "memory:", logger: false, jobs: [boxed] });
    await mill.start();
    const receipt = await mill.enqueue(boxed, { n: 1 });
    expect(await receipt.result({ timeout: "50s" })).toMatchObject({ input: { n: 1 } });
  },
);
