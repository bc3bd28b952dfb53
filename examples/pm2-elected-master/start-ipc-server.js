const { AceBaseIPCServer } = require('acebase-ipc-server');

const server = new AceBaseIPCServer({ host: 'localhost', port: Number(process.env.IPC_PORT) });

server.start().then(
  () => process.send('ready'),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);

// pm2 stops a process with SIGINT.
process.once('SIGINT', async () => {
  await server.stop();
  process.exit(0);
});
