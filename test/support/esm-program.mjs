/** A user's program that loads AceBase as an ES module. Started with `fork`; argv has the port and the folder. */
import { AceBase } from 'acebase';

const [, , port, path] = process.argv;
const db = new AceBase('mydb', {
  logLevel: 'error',
  storage: { path, ipc: { port: Number(port), role: 'worker' } },
});
await db.ready();
await db.ref('from/esm').set({ at: new Date(5) });
process.send('written');
process.once('message', async () => {
  await db.close();
  process.disconnect();
});
