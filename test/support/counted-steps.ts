const METHODS = ['get', 'set', 'has', 'delete'] as const;
const ITERATIONS = ['keys', 'values', 'entries', Symbol.iterator] as const;

/**
 * How often `act` looks into a `Map`, or comes to an entry of one: what a structure made of maps costs, whatever the machine
 * does meanwhile.
 */
export function countedSteps(act: () => void): number {
  let steps = 0;
  const prototype = Map.prototype;
  const descriptors = Object.getOwnPropertyDescriptors(prototype);
  for (const name of METHODS) {
    const original = prototype[name] as (...details: unknown[]) => unknown;
    Reflect.set(prototype, name, function (this: unknown, ...details: unknown[]) {
      steps++;
      return original.apply(this, details);
    });
  }
  for (const name of ITERATIONS) {
    const original = prototype[name] as () => Iterable<unknown>;
    Reflect.set(prototype, name, function* (this: unknown) {
      for (const item of original.call(this)) {
        steps++;
        yield item;
      }
    });
  }
  const { forEach } = prototype;
  prototype.forEach = function (callback, thisArgument) {
    forEach.call(this, (...details) => {
      steps++;
      callback.apply(thisArgument, details);
    });
  };
  try {
    act();
    return steps;
  } finally {
    Object.defineProperties(prototype, descriptors);
  }
}
