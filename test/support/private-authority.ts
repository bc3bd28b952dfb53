import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';

const run = promisify(execFile);

/** Paths of PEM files. */
export interface PrivateAuthority {
  /** The certificate of the authority, for `NODE_EXTRA_CA_CERTS`. */
  readonly caPath: string;
  /** The certificate of `localhost`, signed by it. */
  readonly certPath: string;
  readonly keyPath: string;
}

/** Makes an authority that only those know who are told, and a certificate for `localhost`. */
export async function privateAuthority(directory: string): Promise<PrivateAuthority> {
  const file = (name: string) => join(directory, name);
  const openssl = (...parameters: string[]) => run('openssl', parameters);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-keyout', file('ca.key'), '-out', file('ca.pem')];
  await openssl('req', '-x509', ...newKey, ...authority, '-days', '2', '-subj', '/CN=Authority of a test');
  await openssl(
    'req',
    ...newKey,
    '-keyout',
    file('key.pem'),
    '-out',
    file('request.pem'),
    '-subj',
    '/CN=localhost',
  );
  await writeFile(file('extensions'), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1');
  const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2'];
  const output = ['-extfile', file('extensions'), '-out', file('cert.pem')];
  await openssl('x509', '-req', '-in', file('request.pem'), ...signer, ...output);
  return { caPath: file('ca.pem'), certPath: file('cert.pem'), keyPath: file('key.pem') };
}

/** A certificate for `localhost` and its key, which are removed when the test is over. */
export async function temporaryCertificate(): Promise<Pick<PrivateAuthority, 'certPath' | 'keyPath'>> {
  const directory = await temporaryDirectory('tls');
  onTestFinished(() => removeDirectory(directory));
  const { certPath, keyPath } = await privateAuthority(directory);
  return { certPath, keyPath };
}
