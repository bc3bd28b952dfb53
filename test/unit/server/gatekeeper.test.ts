import { describe, expect, test } from 'vitest';
import { resolveOptions, type ServerOptions } from '../../../src/options.js';
import { Authentication } from '../../../src/server/authentication.js';
import { Gatekeeper } from '../../../src/server/gatekeeper.js';

const SECRET = 'Bearer secret-of-the-child';

/** A server that runs the master of `mydb`, which keeps no transaction log. */
const managed = {
  has: (file: string) => file === 'mydb_data',
  lacksLog: (file: string) => file === 'mydb_transaction',
  secretFits: (file: string, authorization: string | undefined) =>
    file === 'mydb_data' && authorization === SECRET,
};

function admit(
  url: string,
  { authorization, ...options }: ServerOptions & { readonly authorization?: string } = {},
) {
  const gatekeeper = new Gatekeeper(new Authentication(resolveOptions(options)), managed);
  const headers = {
    host: 'localhost:9163',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...(authorization === undefined ? {} : { authorization }),
  };
  const admission = gatekeeper.admit({ method: 'GET', url, httpVersion: '1.1', headers, isSecure: false });
  return admission.isAdmitted ? { isManagedMaster: admission.isManagedMaster } : admission.code;
}

const master = (database: string) => `/${database}/connect?v=1.0.0&id=%5Bmaster%5D`;
const worker = (database: string) => `/${database}/connect?v=1.0.0&id=worker01`;

describe('a database whose master this server runs [PROTOCOL-9.8]', () => {
  test('lets in its own process, whatever others need', () => {
    const options = { token: { shop: 'sesame' }, databases: ['shop'], authorization: SECRET };
    expect(admit(master('mydb_data'), options)).toEqual({ isManagedMaster: true });
  });

  test('lets nobody else in as master, but whoever has the token as worker', () => {
    expect(admit(master('mydb_data'))).toBe('IPC_REFUSED_MANAGED_MASTER');
    const token = { token: 'sesame', authorization: 'Bearer sesame' };
    expect(admit(master('mydb_data'), token)).toBe('IPC_REFUSED_MANAGED_MASTER');
    expect(admit(worker('mydb_data'), token)).toEqual({ isManagedMaster: false });
  });

  test('tells nothing to whoever has no token', () =>
    expect(admit(master('mydb_data'), { token: 'sesame' })).toBe('IPC_REFUSED_TOKEN'));

  test('takes the secret for no token of a worker, and for no other database', () => {
    const token = { token: 'sesame', authorization: SECRET };
    expect(admit(worker('mydb_data'), token)).toBe('IPC_REFUSED_TOKEN');
    expect(admit(master('shop_data'), token)).toBe('IPC_REFUSED_TOKEN');
  });

  test('refuses a transaction log that its master does not keep', () => {
    expect(admit(worker('mydb_transaction'))).toBe('IPC_REFUSED_NO_TRANSACTION_LOG');
    expect(admit(worker('shop_transaction'))).toEqual({ isManagedMaster: false });
  });

  test('leaves masters of other databases alone', () =>
    expect(admit(master('shop_data'))).toEqual({ isManagedMaster: false }));

  test('opens its endpoints to its own process', () => {
    const authentication = new Authentication(resolveOptions({ token: 'sesame' }));
    const gatekeeper = new Gatekeeper(authentication, managed);
    expect(gatekeeper.hasToken('mydb_data', '', { authorization: SECRET })).toBe(true);
    expect(gatekeeper.hasToken('shop_data', '', { authorization: SECRET })).toBe(false);
  });
});
