// Redaction: what is marked is never shown, what is not is shown as it is.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MASK, collectSecrets, createRedactor, maskText } from "./redaction.ts";

describe("redaction by path", () => {
  const order = {
    card: "4111-1111",
    user: { name: "Ada", password: "hunter2" },
    items: [
      { sku: "a", token: "t-1" },
      { sku: "b", token: "t-2" },
    ],
  };

  test("masks fields, nested fields and fields of every item", () => {
    const redact = createRedactor(["card", "user.password", "items.*.token"]);
    expect(redact(order)).toEqual({
      card: MASK,
      user: { name: "Ada", password: MASK },
      items: [
        { sku: "a", token: MASK },
        { sku: "b", token: MASK },
      ],
    });
  });

  test("masks one item, a whole branch, everything", () => {
    expect(createRedactor(["items.1"])(order)).toMatchObject({ items: [{ token: "t-1" }, MASK] });
    expect(createRedactor(["user"])(order)).toMatchObject({ user: MASK });
    expect(createRedactor(["*"])(order)).toEqual({ card: MASK, user: MASK, items: MASK });
  });

  test("masks what is empty too, so that its absence tells nothing", () => {
    expect(createRedactor(["card", "pin", "cvc"])({ card: null, pin: undefined })).toEqual({
      card: MASK,
      pin: MASK,
    });
  });

  test("leaves the value given as it was", () => {
    const before = structuredClone(order);
    createRedactor(["card", "user", "items.*.token"])(order);
    expect(order).toEqual(before);
  });

  test("shows the very value where nothing is marked", () => {
    expect(createRedactor(undefined)(order)).toBe(order);
    expect(createRedactor([])(order)).toBe(order);
    expect(createRedactor(["nothing.like.it"])("text")).toBe("text");
  });

  test.each([[""], ["a."], [".a"], ["a..b"], [7], [null], [["a"]]])(
    "refuses the path %j, which could never match",
    (path) => {
      expect(() => createRedactor([path as never])).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    },
  );

  test("treats __proto__ and constructor as keys like any other", () => {
    const hostile: unknown = JSON.parse(
      '{"__proto__":{"card":"1234567","polluted":true},"constructor":{"prototype":{"x":1}},"card":"7654321"}',
    );
    const shown = createRedactor(["__proto__.card", "card"])(hostile);
    expect(JSON.parse(JSON.stringify(shown))).toEqual(
      JSON.parse(
        '{"__proto__":{"card":"[redacted]","polluted":true},"constructor":{"prototype":{"x":1}},"card":"[redacted]"}',
      ),
    );
    expect(Object.getPrototypeOf(shown)).toBe(Object.prototype);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("masks the whole value when a getter or a proxy throws", () => {
    const throwing = {
      get card(): string {
        throw new Error("secret in the message");
      },
    };
    expect(createRedactor(["card"])(throwing)).toBe(MASK);
  });

  test("masks what toJSON brings, wherever it is defined", () => {
    class Account {
      readonly #password = "hunter2";
      toJSON(): unknown {
        return { password: this.#password };
      }
    }
    const redact = createRedactor(["user.password", "password", "list.*.password"]);
    for (const value of [
      new Account(),
      { user: new Account() },
      { user: { toJSON: () => ({ password: "hunter2" }) } },
      { user: { toJSON: () => ({ password: 1, toJSON: () => ({ password: "hunter2" }) }) } },
      { list: [new Account()] },
    ]) {
      expect(JSON.stringify(redact(value))).not.toContain("hunter2");
    }
  });

  test("shows dates under a mark as JSON would", () => {
    const shown = createRedactor(["*.token"])({ at: new Date(0), by: { token: "x" } });
    expect(shown).toEqual({ at: "1970-01-01T00:00:00.000Z", by: { token: MASK } });
  });

  test("ends on values that contain themselves and on very deep ones", () => {
    const circle: Record<string, unknown> = { card: "1234" };
    circle["self"] = circle;
    expect(createRedactor(["self.self.card"])(circle)).toMatchObject({ card: "1234" });
    const deep: unknown = JSON.parse(`${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`);
    const path = Array.from({ length: 5_000 }, () => "a").join(".");
    expect(JSON.stringify(createRedactor([path])(deep))).toContain(MASK);
  });

  test("never shows what a path marks, and shows all the rest", () => {
    const key = fc.constantFrom("a", "b", "__proto__", "toString", "0");
    const tree = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.constant("open"),
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(key, tie("node"), { maxKeys: 3, noNullPrototype: true }),
      ),
    })).node;
    fc.assert(
      fc.property(tree, fc.array(key, { minLength: 1, maxLength: 3 }), (value, path) => {
        const marked = plant(value, path, "SECRET");
        const shown = createRedactor([path.join(".")])(marked.value);
        const text = JSON.stringify(shown) ?? "";
        expect(text).not.toContain("SECRET");
        expect(text.includes(MASK)).toBe(marked.isPlanted);
        expect(text.replaceAll(MASK, "SECRET")).toBe(JSON.stringify(marked.value) ?? "");
      }),
    );
  });
});

/** The value with a secret at the path, where it has one. */
function plant(
  value: unknown,
  path: readonly string[],
  secret: string,
): { value: unknown; isPlanted: boolean } {
  const [key, ...rest] = path;
  if (key === undefined) return { value: secret, isPlanted: true };
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) {
    return { value, isPlanted: false };
  }
  const below = plant((value as Record<string, unknown>)[key], rest, secret);
  const copy: unknown = Array.isArray(value) ? [...(value as unknown[])] : { ...value };
  Object.defineProperty(copy, key, {
    value: below.value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return { value: copy, isPlanted: below.isPlanted };
}

describe("redaction by function", () => {
  test("shows what the function gives", () => {
    const redact = createRedactor((value) => ({ keys: Object.keys(value as object) }));
    expect(redact({ card: "1" })).toEqual({ keys: ["card"] });
  });

  test("shows the mask when the function throws, or can't be given a copy", () => {
    const redact = createRedactor(() => {
      throw new Error("card 4111");
    });
    expect(redact({ card: "4111" })).toBe(MASK);
    expect(createRedactor((value) => value)({ card: () => "4111" })).toBe(MASK);
  });

  test("can't change the handler's value, even when it masks in place", () => {
    const input = { card: "4111", user: { pin: "9876" } };
    const redact = createRedactor((value) => {
      const copy = value as typeof input;
      copy.card = "x";
      copy.user.pin = "x";
      return copy;
    });
    expect(redact(input)).toEqual({ card: "x", user: { pin: "x" } });
    expect(input).toEqual({ card: "4111", user: { pin: "9876" } });
    expect(collectSecrets(input, redact)).toEqual(["4111", "9876"]);
  });
});

describe("secrets in free text", () => {
  const redact = createRedactor(["card", "user", "keys.*"]);

  test("are the texts and numbers that the redactor hides", () => {
    const secrets = collectSecrets(
      {
        card: 41_111_111,
        user: { name: "Ada Lovelace", pin: 9_876 },
        open: "visible",
        keys: ["k-001"],
      },
      redact,
    );
    expect(secrets).toEqual(["41111111", "Ada Lovelace", "9876", "k-001"]);
  });

  test("leave out what is too short to be searched for", () => {
    expect(collectSecrets({ card: "123", user: [true, null, 7] }, redact)).toEqual([]);
  });

  test("are masked in a line, those that overlap as one", () => {
    expect(maskText("card 4111-1111 of Ada", ["4111-1111", "1111"])).toBe(`card ${MASK} of Ada`);
    expect(maskText("abcdefgh", ["abcdef", "defgh"])).toBe(MASK);
    expect(maskText("aaaaa", ["aaaa"])).toBe(MASK);
    expect(maskText("abcdabcd", ["abcd"])).toBe(MASK + MASK);
    expect(maskText("nothing", ["abcd", ""])).toBe("nothing");
  });

  test("are masked also where a line holds them as JSON", () => {
    const input = { card: 'quote " and\nline' };
    const secrets = collectSecrets(input, redact);
    const line = maskText(`bad input ${JSON.stringify(input)}`, secrets);
    expect(line).toBe(`bad input {"card":"${MASK}"}`);
  });

  test("are collected past keys that every object has", () => {
    const input: unknown = JSON.parse('{"user":{"__proto__":"hidden-1","toString":"hidden-2"}}');
    expect(collectSecrets(input, redact)).toEqual(["hidden-1", "hidden-2"]);
    expect(collectSecrets(input, createRedactor(["user.toString"]))).toEqual(["hidden-2"]);
  });

  test("are bounded in number", () => {
    const user = Array.from({ length: 1_000 }, (_, index) => `secret-${index}`);
    expect(collectSecrets({ user }, redact)).toHaveLength(100);
  });

  test("never survive in any line that holds them", () => {
    const secret = fc
      .string({ minLength: 4, maxLength: 12 })
      .filter((text) => !/[redact[\]]/.test(text));
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 4 }),
        fc.array(fc.oneof(fc.string({ maxLength: 4 }), fc.nat(3)), { maxLength: 12 }),
        (secrets, parts) => {
          const line = parts
            .map((part) => (typeof part === "number" ? (secrets[part] ?? "") : part))
            .join("");
          const masked = maskText(line, secrets);
          for (const each of secrets) expect(masked).not.toContain(each);
        },
      ),
    );
  });

  test("are never part of what the redactor shows", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ minLength: 4 }), (open, card) => {
        const secrets = collectSecrets({ open, card }, createRedactor(["card"]));
        expect(secrets).toContain(card);
      }),
    );
  });
});
