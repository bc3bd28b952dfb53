import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IPCError } from '../../../src/errors.js';
import type { SslSettings } from '../../../src/options.js';
import { loadTls } from '../../../src/server/tls.js';

const folder = mkdtempSync(join(tmpdir(), 'ipc-tls-'));
const at = (name: string) => join(folder, name);
const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });

beforeAll(() => {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...curve, '-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=localhost');
  openssl(
    'req',
    '-x509',
    ...curve,
    '-keyout',
    'other-key.pem',
    '-out',
    'other-cert.pem',
    '-subj',
    '/CN=other',
  );
  openssl('pkcs8', '-topk8', '-in', 'key.pem', '-passout', 'pass:opensesame', '-out', 'encrypted.pem');
  openssl(
    'pkcs12',
    '-export',
    '-inkey',
    'key.pem',
    '-in',
    'cert.pem',
    '-passout',
    'pass:opensesame',
    '-out',
    'both.pfx',
  );
  openssl(
    'pkcs12',
    '-export',
    '-nokeys',
    '-in',
    'cert.pem',
    '-passout',
    'pass:opensesame',
    '-out',
    'keyless.pfx',
  );
  writeFileSync(at('garbage'), 'hello');
  writeFileSync(at('empty'), '');
});

afterAll(() => rmSync(folder, { recursive: true }));

function failure(ssl: SslSettings): string {
  try {
    loadTls(ssl);
  } catch (error) {
    if (error instanceof IPCError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const paths = (cert: string, key: string) => ({ certPath: at(cert), keyPath: at(key) });

describe('what can be used', () => {
  test('nothing is nothing', () => expect(loadTls(undefined)).toBeUndefined());

  test('certificate and key by path', () => {
    const loaded = loadTls(paths('cert.pem', 'key.pem'));
    expect(loaded).toEqual({
      cert: readFileSync(at('cert.pem')),
      key: readFileSync(at('key.pem')),
      minVersion: 'TLSv1.2',
    });
    expect(() => createSecureContext(loaded)).not.toThrow();
  });

  test('certificate and key as contents, text or bytes', () =>
    expect(
      loadTls({
        cert: readFileSync(at('cert.pem'), 'utf8'),
        key: new Uint8Array(readFileSync(at('key.pem'))),
      }),
    ).toEqual(loadTls(paths('cert.pem', 'key.pem'))));

  test('an encrypted key', () =>
    expect(loadTls({ ...paths('cert.pem', 'encrypted.pem'), passphrase: 'opensesame' })?.passphrase).toBe(
      'opensesame',
    ));

  test('a PFX by path, as bytes, as base64', () => {
    const pfx = readFileSync(at('both.pfx'));
    const expected = { pfx, passphrase: 'opensesame', minVersion: 'TLSv1.2' };
    for (const ssl of [{ pfxPath: at('both.pfx') }, { pfx }, { pfx: pfx.toString('base64') }]) {
      expect(loadTls({ ...ssl, passphrase: 'opensesame' })).toEqual(expected);
    }
  });

  test('with an authority, clients must show a certificate', () =>
    expect(loadTls({ ...paths('cert.pem', 'key.pem'), caPath: at('other-cert.pem') })).toMatchObject({
      ca: readFileSync(at('other-cert.pem')),
      requestCert: true,
      rejectUnauthorized: true,
    }));
});

describe('what cannot', () => {
  test('files that are not there are named', () => {
    expect(failure(paths('nope.pem', 'key.pem'))).toBe(
      `IPC_TLS_FILE_UNREADABLE: the certificate file ${at('nope.pem')} cannot be read: there is no such file`,
    );
    expect(failure({ pfxPath: folder })).toBe(
      `IPC_TLS_FILE_UNREADABLE: the PFX file ${folder} cannot be read: it is a folder`,
    );
  });

  test.each([
    [undefined, 'is encrypted, and ssl.passphrase is not set'],
    ['wrong', 'is not opened by ssl.passphrase'],
  ])('passphrase %s', (passphrase, reason) => {
    expect(failure({ ...paths('cert.pem', 'encrypted.pem'), passphrase })).toBe(
      `IPC_TLS_BAD_PASSPHRASE: the key file ${at('encrypted.pem')} ${reason}`,
    );
    expect(failure({ pfxPath: at('both.pfx'), passphrase })).toBe(
      `IPC_TLS_BAD_PASSPHRASE: the PFX file ${at('both.pfx')} ${reason}`,
    );
  });

  test.each([
    [
      'cert.pem',
      'other-key.pem',
      /^IPC_TLS_BAD_CERTIFICATE: the key file \S+ does not belong to the certificate file \S+$/,
    ],
    [
      'garbage',
      'key.pem',
      /^IPC_TLS_BAD_CERTIFICATE: the certificate file \S+garbage is not a certificate in PEM form$/,
    ],
    [
      'key.pem',
      'cert.pem',
      /^IPC_TLS_BAD_CERTIFICATE: the certificate file \S+key\.pem is not a certificate in PEM form$/,
    ],
    [
      'cert.pem',
      'garbage',
      /^IPC_TLS_BAD_CERTIFICATE: the key file \S+garbage is not a private key in PEM form/,
    ],
    ['cert.pem', 'empty', /^IPC_TLS_BAD_CERTIFICATE: the key file \S+empty is empty$/],
  ])('%s with %s', (cert, key, line) => expect(failure(paths(cert, key))).toMatch(line));

  test.each(['garbage', 'keyless.pfx', 'cert.pem'])('%s as a PFX', (name) =>
    expect(failure({ pfxPath: at(name), passphrase: 'opensesame' })).toMatch(
      /^IPC_TLS_BAD_CERTIFICATE: the PFX file \S+ cannot be used: /,
    ),
  );

  test('an authority that is none', () => {
    expect(failure({ ...paths('cert.pem', 'key.pem'), caPath: at('garbage') })).toBe(
      `IPC_TLS_BAD_CERTIFICATE: the CA file ${at('garbage')} is not a certificate in PEM form`,
    );
    expect(failure({ ...paths('cert.pem', 'key.pem'), ca: 'hello' })).toBe(
      'IPC_TLS_BAD_CERTIFICATE: the CA given as contents is not a certificate in PEM form',
    );
  });
});
