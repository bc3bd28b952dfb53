const { AceBaseIPCServer } = require('acebase-ipc-server');

const server = new AceBaseIPCServer({ host: 'localhost', port: Number(process.env.IPC_PORT) });

server.start().then(
  () => process.send('ready'),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);

// pm2 stops a process with SIGINT. What has begun ends before the connections do.
process.once('SIGINT', async () => {
  await server.drain();
  process.exit(0);
});
