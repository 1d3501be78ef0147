// Preloaded into a process whose clock is wrong: everything that asks for the time of day is told another one.
const SHIFT_MS = Number(process.env["SHIFTED_CLOCK_MS"]);

const RealDate = Date;
const now = (): number => RealDate.now() + SHIFT_MS;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === "now" ? now : Reflect.get(target, name, receiver)),
});
