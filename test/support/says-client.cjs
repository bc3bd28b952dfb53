/** A program that says whether this process has the client, and stays. */
'use strict';

console.log(`client: ${globalThis[Symbol.for('acebase-ipc-server.client')] !== undefined}`);
setInterval(() => undefined, 60_000);
