// AceBase prints each message from the IPC server with console.log, and one write takes dozens of them. This leaves
// those out and prints everything else. Load it before AceBase.

const ipcMessage = /^(\{"type":|welcome:|connect:|disconnect:|pong$)/;
const print = console.log;

console.log = (...values) => {
  if (!ipcMessage.test(values[0])) print(...values);
};
