import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is used of an `AceBaseServer`. */
export interface ListeningServer {
  readonly app: {
    use(handler: (request: IncomingMessage, response: ServerResponse, next: () => void) => void): unknown;
  };
}

/**
 * Lets HTTP clients go with their next response once this process has been asked to stop, by SIGINT. Otherwise acebase-server waits five
 * seconds for those that keep their connection, serves them meanwhile, and then cuts them off.
 */
export function releaseClients({ app }: ListeningServer): void {
  const open = new Set<ServerResponse>();
  const release = (response: ServerResponse): void => {
    if (!response.headersSent) response.setHeader('Connection', 'close');
  };
  let isStopping = false;
  process.once('SIGINT', () => {
    isStopping = true;
    for (const response of open) release(response);
  });
  app.use((_request, response, next) => {
    if (isStopping) release(response);
    open.add(response);
    response.once('close', () => open.delete(response));
    next();
  });
}
