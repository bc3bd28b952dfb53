/** How it is seen that a class of AceBase makes an object of which nothing else tells. */

/**
 * Calls when an object assigns a property of that name, for the first time.
 *
 * @param prototype of its class, or the object itself
 * @returns undoes it
 */
export function whenAssigned(
  prototype: object,
  name: string,
  assigned: (object: object, value: unknown) => void,
): () => void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    set(this: object, value: unknown) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
      assigned(this, value);
    },
  });
  return () => Reflect.deleteProperty(prototype, name);
}
