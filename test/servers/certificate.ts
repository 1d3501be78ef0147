// An authority for tests, and a certificate of it for the loopback address.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether certificates can be made here. */
export const hasOpenssl: boolean = spawnSync("openssl", ["version"]).status === 0;

/** The files. */
export interface Certificate extends AsyncDisposable {
  /** File that `NODE_EXTRA_CA_CERTS` names. */
  readonly authority: string;
  /** Arguments of a server that shows the certificate, and asks clients for none. */
  readonly args: readonly string[];
}

/** Makes them. */
export async function makeCertificate(): Promise<Certificate> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-tls-"));
  const openssl = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync("openssl", args, { cwd: directory, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test Authority"];
  openssl("req", "-x509", ...key, ...authority, "-days", "2");
  openssl("req", ...key, "-keyout", "redis.key", "-out", "redis.csr", "-subj", "/CN=localhost");
  await writeFile(join(directory, "names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
  openssl("x509", "-req", "-in", "redis.csr", ...signing, "-extfile", "names", "-out", "redis.crt");
  const file = (name: string): string => join(directory, name);
  const own = ["--tls-cert-file", file("redis.crt"), "--tls-key-file", file("redis.key")];
  return {
    authority: file("ca.crt"),
    args: [...own, "--tls-ca-cert-file", file("ca.crt"), "--tls-auth-clients", "no"],
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
