// Ends with 0 if the IPC server of this container answers, with or without TLS.
import http from 'node:http';
import https from 'node:https';

const port = process.env.ACEBASE_IPC_SERVER_PORT || 9163;
const options = { host: 'localhost', port, path: '/health', timeout: 4_000, agent: false };

/** Whether it answers with 200. */
function asks(protocol) {
  return new Promise((resolve) => {
    // The certificate is for the name by which others call the server.
    const request = protocol.get({ ...options, rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

// A server with TLS would warn each time of a plain request. Where a config file says whether it has, both are tried.
const isSecure = Object.keys(process.env).some((name) => name.startsWith('ACEBASE_IPC_SERVER_SSL_'));
const [first, second] = isSecure ? [https, http] : [http, https];
process.exit((await asks(first)) || (await asks(second)) ? 0 : 1);
