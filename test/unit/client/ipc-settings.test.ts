import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { rootCertificates } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { IPCConfig } from '../../../src/client/acebase.js';
import { install, uninstall } from '../../../src/client/install.js';
import { ipcSettings, portOf, soundConfig } from '../../../src/client/ipc-settings.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const base: IPCConfig = { dbname: 'mydb', port: 9163, role: 'worker' };
const sound = (given: object): IPCConfig => soundConfig({ ...base, ...given });

const ca = rootCertificates.find(
  (pem) => new X509Certificate(pem).publicKey.asymmetricKeyDetails?.namedCurve === 'prime256v1',
);
const BROKEN = '-----BEGIN CERTIFICATE-----\nhidden\n-----END CERTIFICATE-----';

/** A key as PEM, encrypted if there is a passphrase. */
function privateKey(passphrase?: string): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      ...(passphrase && { cipher: 'aes-256-cbc', passphrase }),
    })
    .toString();
}

describe('settings of a database', () => {
  it.each([
    ['sesame\n', 'sesame'],
    ['sesame\r\n', 'sesame'],
    ['\uFEFF sesame\t', 'sesame'],
    [Buffer.from('sesame\n'), 'sesame'],
    [12_345, '12345'],
    ['with space', 'with space'],
    ['', undefined],
    [' \n', undefined],
    [null, undefined],
    [undefined, undefined],
  ])('the token %j is %j', (token, expected) => {
    expect(sound({ token }).token).toBe(expected);
  });

  it('lose what is around a host or a URL, and nothing else', () => {
    expect(sound({ host: ' localhost\n', ssl: true, extra: 1 })).toEqual({
      ...base,
      host: 'localhost',
      ssl: true,
      extra: 1,
    });
    expect(sound({ host: '[::1]' }).host).toBe('[::1]');
    expect(sound({ host: '' }).host).toBeUndefined();
    expect(sound({ url: '\uFEFFWSS://ipc.example.com/Path/\r\n' }).url).toBe('wss://ipc.example.com/Path/');
    expect(sound({ url: '' }).url).toBeUndefined();
  });

  it('take a URL as an object, an address of IPv6, and what Node.js can read of certificates and keys', () => {
    expect(sound({ url: new URL('wss://host/path'), port: undefined }).url).toBe('wss://host/path');
    expect(sound({ host: 'fe80::1' }).host).toBe('fe80::1');
    const ssl = { ca: [Buffer.from(`${privateKey()}${ca}`), ca], key: privateKey() };
    expect(sound({ ssl }).ssl).toBe(ssl);
    expect(sound({ url: 'wss://host', ssl }).ssl).toBe(ssl);
    expect(sound({ url: 'ws://host', ssl: false }).ssl).toBe(false);
  });

  it.each([
    [{ port: Number.NaN }, 'port is NaN: give a whole number from 1 to 65535'],
    [{ port: 99_999 }, 'port is 99999'],
    [{ port: -1 }, 'port is -1'],
    [{ port: 0 }, 'port is 0'],
    [{ port: 94.5 }, 'port is 94.5'],
    [{ url: 'ws://host:0' }, 'port is 0'],
    [{ port: '9163' }, 'port is "9163": give a whole number from 1 to 65535, not text'],
    [{ port: null }, 'there is neither a port nor a url'],
    [{ url: ' ', port: undefined }, 'there is neither a port nor a url'],
    [{ host: 'fe80::1%lo' }, 'host is "fe80::1%lo": an address with a zone cannot be in a URL'],
    [{ host: '[127.0.0.1]' }, 'host is "[127.0.0.1]": give a name or an address'],
    [{ url: 'ws://host', ssl: true }, 'ssl asks for TLS, and url says to do without'],
    [
      { url: new URL('http://host'), ssl: { rejectUnauthorized: true } },
      'ssl asks for TLS, and url says to do without',
    ],
    [{ token: 'one\ntwo' }, 'token has more than one line'],
    [{ token: 'se\u0000same' }, 'token has a character that cannot be sent'],
    [{ token: 'ses€me' }, 'token has a character that cannot be sent'],
    [{ token: { mydb: 'sesame' } }, 'token is not text'],
    [{ host: 'my host' }, 'host is "my host": give a name or an address'],
    [{ host: 'http://localhost' }, 'host is "http://localhost"'],
    [{ host: 'localhost:9163' }, 'host is "localhost:9163"'],
    [{ host: 1 }, 'host is not text'],
    [{ url: 'localhost:9163' }, 'url is not a URL that begins with ws:// or wss://'],
    [{ url: 'wss://' }, 'url is not a URL'],
    [{ url: 'wss://user:hidden@host/?t=hidden' }, 'url goes on with ? or #'],
    [
      { url: 'wss://user:hidden@host', token: 'sesame' },
      'url has a user, and the token needs the same header',
    ],
    [{ ssl: { ca: 'ca.pem' } }, 'ssl.ca is not PEM text: give what is in the file'],
    [{ ssl: { ca: ['-----BEGIN CERTIFICATE-----', 5] } }, 'ssl.ca is not PEM text'],
    [{ ssl: { cert: Buffer.from('x') } }, 'ssl.cert is not PEM text'],
  ])('%j cannot work', (given, message) => {
    const failure = expect.objectContaining({
      name: 'IPCError',
      code: 'IPC_CLIENT_BAD_SETTING',
      message: expect.stringContaining(`storage.ipc: ${message}`),
    });
    expect(() => sound(given)).toThrow(failure);
    expect(() => sound(given)).not.toThrow(/hidden|sesame/);
  });

  it.each([
    ['ca cannot be used (', { ca: BROKEN }],
    ['ca cannot be used (', { ca: [ca, BROKEN] }],
    ['cert cannot be used (', { cert: BROKEN }],
    ['key cannot be used (', { key: BROKEN }],
    ['key cannot be used (', { key: privateKey('sesame') }],
    ['key, with ssl.cert, cannot be used (', { cert: ca, key: privateKey() }],
  ])('ssl.%s', (message, ssl) => {
    expect(() => sound({ ssl })).toThrow(
      expect.objectContaining({
        code: 'IPC_CLIENT_BAD_SETTING',
        message: expect.stringContaining(`storage.ipc: ssl.${message}`),
      }),
    );
    expect(() => sound({ ssl })).not.toThrow(/hidden|sesame/);
  });

  it('with a user in the URL and no token are as AceBase reads them', () => {
    expect(sound({ url: 'wss://user:secret@host' }).url).toBe('wss://user:secret@host');
  });

  it.each([
    ['ws://host', 80],
    [' wss://host\n', 443],
    ['https://host:1/path', 1],
    [new URL('http://host'), 80],
  ])('%j means port %i', (url, port) => expect(portOf({ url, port: 9163 })).toBe(port));
});

describe('ipcSettings()', () => {
  it('gives AceBase what it was given, with the port that AceBase wants', () => {
    expect(
      ipcSettings({ url: 'wss://host/path', ssl: { ca: String(ca) }, token: 't', role: 'worker' }),
    ).toEqual({
      url: 'wss://host/path',
      port: 443,
      ssl: { ca },
      token: 't',
      role: 'worker',
    });
    expect(ipcSettings({ port: 1, host: undefined, role: 'master' })).toEqual({ port: 1, role: 'master' });
    expect(ipcSettings({ port: 1 })).toEqual({ port: 1 });
    expect(ipcSettings({ url: new URL('ws://host:2') })).toEqual({ url: 'ws://host:2/', port: 2 });
  });

  it.each([
    [{ role: 'worker' }, 'neither a port nor a url'],
    [{ role: 'worker', url: 'nowhere' }, 'url is not a URL'],
    [{ role: 'worker', port: 1, ssl: { ca: 'ca.pem' } }, 'ssl.ca is not PEM text'],
  ])('refuses %j at once', (given, message) => {
    expect(() => ipcSettings(given as never)).toThrow(
      expect.objectContaining({ code: 'IPC_CLIENT_BAD_SETTING', message: expect.stringContaining(message) }),
    );
  });
});

it.each([
  [{ port: 9163, token: 'ses€me' }, 'token has a character'],
  [{ url: 'nowhere' }, 'url is not a URL'],
  [{ url: '' }, 'there is neither a port nor a url'],
  [{ port: Number.NaN }, 'port is NaN'],
  [{ port: '9163' }, 'port is "9163"'],
  [{ port: 9163, host: 'fe80::1%lo' }, 'host is "fe80::1%lo"'],
])('%j: new AceBase() throws at once', async (given, message) => {
  const path = await temporaryDirectory('settings');
  onTestFinished(() => removeDirectory(path));
  onTestFinished(uninstall);
  install();
  const { AceBase } = createRequire(import.meta.url)('acebase') as typeof import('acebase');
  const ipc = { role: 'worker', ...given } as { role: 'worker'; port: number };
  const make = () => new AceBase('mydb', { logLevel: 'error', sponsor: true, storage: { path, ipc } });
  expect(make).toThrow(
    expect.objectContaining({ code: 'IPC_CLIENT_BAD_SETTING', message: expect.stringContaining(message) }),
  );
});
