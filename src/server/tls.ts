/** Certificates and keys: read, and tried out before anybody connects. */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import { IPCError } from '../errors.js';
import type { SslSettings } from '../options/settings.js';
import { reasonOf } from '../options/sources.js';
import { messageOf } from '../system-error.js';

/** What `https.createServer`, and `setSecureContext` at a reload, take. */
export type LoadedTls = SecureContextOptions & Pick<TlsOptions, 'requestCert' | 'rejectUnauthorized'>;

type Contents = string | Uint8Array | undefined;

/**
 * Reads what `ssl` names and makes sure that it can be used. May be called again to load renewed files.
 *
 * TLS 1.2 is the oldest version that is spoken. With `ca` or `caPath`, clients must show a certificate that one of
 * these authorities signed.
 * @returns undefined where `ssl` is
 * @throws IPCError `IPC_TLS_FILE_UNREADABLE`, `IPC_TLS_BAD_PASSPHRASE`, `IPC_TLS_BAD_CERTIFICATE`
 */
export function loadTls(ssl: SslSettings | undefined): LoadedTls | undefined {
  if (ssl === undefined) return undefined;
  const cert = load('certificate', ssl.certPath, ssl.cert);
  const key = load('key', ssl.keyPath, ssl.key);
  const pfx = load(
    'PFX',
    ssl.pfxPath,
    typeof ssl.pfx === 'string' ? Buffer.from(ssl.pfx, 'base64') : ssl.pfx,
  );
  const ca = load('CA', ssl.caPath, ssl.ca);
  const options: LoadedTls = {
    ...(cert && { cert }),
    ...(key && { key }),
    ...(pfx && { pfx }),
    ...(ssl.passphrase !== undefined && { passphrase: ssl.passphrase }),
    ...(ca && { ca, requestCert: true, rejectUnauthorized: true }),
    minVersion: 'TLSv1.2',
  };
  if (ca !== undefined) verifyAuthorities(ca, named('CA', ssl.caPath));
  verifyOwn(options, ssl);
  return options;
}

function named(what: string, path: string | undefined): string {
  return path === undefined ? `the ${what} given as contents` : `the ${what} file ${path}`;
}

function load(what: string, path: string | undefined, given: Contents): Buffer | undefined {
  const contents = path === undefined ? given : readFile(what, path);
  if (contents === undefined) return undefined;
  const bytes = Buffer.from(contents);
  // OpenSSL takes an empty key for no key, and every handshake fails later.
  if (bytes.length === 0) throw new IPCError('IPC_TLS_BAD_CERTIFICATE', `${named(what, path)} is empty`);
  return bytes;
}

function readFile(what: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new IPCError(
      'IPC_TLS_FILE_UNREADABLE',
      `the ${what} file ${path} cannot be read: ${reasonOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** `createSecureContext` takes no notice of a CA that is not one. */
function verifyAuthorities(ca: Buffer, name: string): void {
  try {
    new X509Certificate(ca);
  } catch (error) {
    throw new IPCError('IPC_TLS_BAD_CERTIFICATE', `${name} is not a certificate in PEM form`, {
      cause: error,
    });
  }
}

function verifyOwn(options: LoadedTls, ssl: SslSettings): void {
  try {
    createSecureContext(options);
  } catch (error) {
    const reason = messageOf(error);
    throw options.pfx === undefined ? pemError(options, ssl, reason, error) : pfxError(ssl, reason, error);
  }
}

function passphraseError(name: string, ssl: SslSettings, cause: unknown): IPCError {
  const how =
    ssl.passphrase === undefined
      ? 'is encrypted, and ssl.passphrase is not set'
      : 'is not opened by ssl.passphrase';
  return new IPCError('IPC_TLS_BAD_PASSPHRASE', `${name} ${how}`, { cause });
}

function pfxError(ssl: SslSettings, reason: string, cause: unknown): IPCError {
  const name = named('PFX', ssl.pfxPath);
  if (/mac verify failure|bad decrypt/.test(reason)) return passphraseError(name, ssl, cause);
  const why = reason.includes('Unsupported PKCS12')
    ? 'uses an outdated encryption that OpenSSL 3 does not read; export it again with a newer program'
    : `cannot be used: ${reason}`;
  return new IPCError('IPC_TLS_BAD_CERTIFICATE', `${name} ${why}`, { cause });
}

function pemError(options: LoadedTls, ssl: SslSettings, reason: string, cause: unknown): IPCError {
  const certName = named('certificate', ssl.certPath);
  const keyName = named('key', ssl.keyPath);
  if (reason.includes('key values mismatch') || reason.includes('key type mismatch')) {
    return new IPCError('IPC_TLS_BAD_CERTIFICATE', `${keyName} does not belong to ${certName}`, { cause });
  }
  try {
    new X509Certificate(String(options.cert));
  } catch {
    return new IPCError('IPC_TLS_BAD_CERTIFICATE', `${certName} is not a certificate in PEM form`, { cause });
  }
  // A wrong passphrase opens a key by chance, one time in 256, and then it reads as garbage: not only "bad decrypt".
  if (/ENCRYPTED/.test(String(options.key))) return passphraseError(keyName, ssl, cause);
  return new IPCError(
    'IPC_TLS_BAD_CERTIFICATE',
    `${keyName} is not a private key in PEM form that can be used: ${reason}`,
    { cause },
  );
}
