import { describe, expect, test } from "vitest";
import { describeLocation, readRedisUrl } from "./url.ts";

describe("a Redis URL", () => {
  test("names one server, with credentials and a database", () => {
    expect(readRedisUrl("rediss://me:p%40ss@db.example:6380/3")).toMatchObject({
      form: "single",
      addresses: [{ host: "db.example", port: 6_380 }],
      username: "me",
      password: "p@ss",
      isEncrypted: true,
      database: 3,
    });
  });

  test("names nodes of a Cluster, or Sentinels and their primary", () => {
    expect(readRedisUrl("redis+cluster://a:1,b:2,[::1]:3")).toMatchObject({
      form: "cluster",
      addresses: [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
        { host: "::1", port: 3 },
      ],
    });
    expect(readRedisUrl("redis+sentinel://a,b:5/main?sentinelPassword=s")).toMatchObject({
      form: "sentinel",
      addresses: [
        { host: "a", port: 26_379 },
        { host: "b", port: 5 },
      ],
      primary: "main",
      sentinelPassword: "s",
    });
  });

  test("cuts queues in partitions, and says how many replicas must have a write", () => {
    expect(readRedisUrl("redis+cluster://a:1?partitions=mail:4,*:2&replicas=2")).toMatchObject({
      partitions: { mail: 4, "*": 2 },
      replicas: 2,
    });
    expect(readRedisUrl("redis://a")).toMatchObject({ partitions: {}, replicas: undefined });
  });

  test.each([
    ["redis://a,b", "names one server"],
    ["redis+sentinel://a", "ends in the name of the primary"],
    ["redis+cluster://a/1", "database 0 only"],
    ["redis://a/x", "not the number of a database"],
    ["redis://a:99999", "not host:port"],
    ["redis://a?partition=mail:4", "means nothing here"],
    ["redis://a?partitions=mail", "not QUEUE:COUNT"],
    ["redis://a?partitions=mail:0", "not a number from 1"],
    ["redis://a?replicas=many", "not a number from 1"],
  ])("is refused where it makes no sense: %s", (url, reason) => {
    expect(() => readRedisUrl(url)).toThrow(reason);
  });

  test("is shown without what is secret", () => {
    const location = readRedisUrl("rediss+sentinel://me:secret@a:1,b:2/main/3?sentinelPassword=s");
    expect(describeLocation(location)).toBe("rediss+sentinel://a:1,b:2/main/3");
  });
});
