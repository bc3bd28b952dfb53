const IPC_MESSAGE = /^(\{"type":|welcome:|connect:|disconnect:|pong$)/;

/**
 * Leaves out what a stock AceBase prints with `console.log` for each message from the IPC server: one write takes dozens of them.
 * Everything else is printed. Call it before AceBase is loaded; with the client of this package it is not needed.
 */
export function quiet(): void {
  const print: unknown = Reflect.get(console, 'log');
  Reflect.set(console, 'log', (...values: unknown[]) => {
    if (!IPC_MESSAGE.test(String(values[0]))) Reflect.apply(print as () => void, console, values);
  });
}
