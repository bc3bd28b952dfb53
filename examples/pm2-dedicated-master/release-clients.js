/**
 * Lets HTTP clients go with their next response once this process has been asked to stop. Otherwise acebase-server
 * waits five seconds for those that keep their connection, serves them meanwhile, and then cuts them off.
 */
exports.releaseClients = (server) => {
  const open = new Set();
  const release = (response) => response.headersSent || response.setHeader('Connection', 'close');
  let stopping = false;
  process.once('SIGINT', () => {
    stopping = true;
    open.forEach(release);
  });
  server.app.use((_request, response, next) => {
    if (stopping) release(response);
    open.add(response);
    response.once('close', () => open.delete(response));
    next();
  });
};
