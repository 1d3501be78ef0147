import { describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { LaunchRequest } from "./launcher.ts";
import { containerCommand, createContainerLauncher } from "./container.ts";

const request = { job: { id: "0192" } } as LaunchRequest;

describe("the command line of a container", () => {
  test("has no network, no privileges, and a read-only file system", () => {
    expect(containerCommand("docker", { image: "alpine:3" }, { name: "one", request })).toEqual(
      "docker run --rm --interactive --init --name=one --label=millrace.job=0192 --network=none --cap-drop=ALL --security-opt=no-new-privileges --read-only --tmpfs=/tmp --pids-limit=256 alpine:3".split(
        " ",
      ),
    );
  });

  test("has the limits, variables and directories of the job type, and no variable's value", () => {
    const words = containerCommand(
      "podman",
      {
        image: "tools",
        command: ["resize", "; rm -rf /"],
        env: { KEY: "hush-hush" },
        network: "bridge",
        maxMemoryBytes: 1_000_000,
        maxCpus: 0.5,
        maxProcesses: 10,
        user: "1000:1000",
        mounts: { "/in": { from: "/data" }, "/out": { from: "/results", isWritable: true } },
      },
      { name: "two", request },
    );
    const line = words.join(" ");
    expect(line).toContain("--memory 1000000 --memory-swap 1000000 --cpus 0.5 --user 1000:1000");
    expect(line).toContain("--network=bridge");
    expect(line).toContain("--pids-limit=10");
    expect(line).toContain("--env KEY --mount type=bind,source=/data,target=/in,readonly");
    expect(line).toContain("--mount type=bind,source=/results,target=/out tools");
    expect(words.slice(-3)).toEqual(["tools", "resize", "; rm -rf /"]);
    expect(line).not.toContain("hush-hush");
  });
});

describe("the options of a job type", () => {
  test.each([
    ["image", {}],
    ["image", { image: "--privileged" }],
    ["command", { image: "a", command: "sh -c true" }],
    ["maxMemoryBytes", { image: "a", maxMemoryBytes: 0 }],
    ["env", { image: "a", env: { "A=B --privileged": "" } }],
    ["env", { image: "a", env: { DOCKER_HOST: "tcp://elsewhere" } }],
    ["mounts", { image: "a", mounts: { "/a,rw": { from: "/" } } }],
  ])("name the field that is wrong: %s", (field, options) => {
    const type = defineJob({ name: "boxed", launch: { launcher: "container", options } });
    expect(() => {
      createContainerLauncher().check?.(type.launch?.options, type.name);
    }).toThrow(`launch.options.${field}`);
  });
});
