import { once } from 'node:events';
import { checkServerIdentity, connect, type PeerCertificate } from 'node:tls';
import { codeOf } from '../../system-error.js';
import { error, type Finding, ok, warning } from './findings.js';

/** Days before its end at which somebody should know of it. */
const EXPIRES_SOON_DAYS = 14;

const DAY_MS = 86_400_000;

/** What a server showed. */
export interface ShownCertificate {
  readonly certificate: PeerCertificate;
  /** Why it is not trusted, as OpenSSL names it; undefined if it is. */
  readonly problem: string | undefined;
}

/** Looks at the certificate of a server. @throws Error of the line */
export async function shownCertificate(url: URL): Promise<ShownCertificate> {
  const host = bareHost(url);
  const socket = connect({
    host,
    port: Number(url.port || 443),
    servername: /^[\d.]+$|:/.test(host) ? '' : host,
    rejectUnauthorized: false,
    timeout: 5_000,
  });
  try {
    await once(socket, 'secureConnect');
    const { authorizationError } = socket;
    const problem = codeOf(authorizationError) ?? (authorizationError && String(authorizationError));
    return { certificate: socket.getPeerCertificate(), problem: problem || undefined };
  } finally {
    socket.destroy();
  }
}

/** Judges a certificate as an AceBase process does that connects to that URL. */
export function judgeCertificate({ certificate, problem }: ShownCertificate, url: URL, now: number): Finding {
  const host = bareHost(url);
  const [from, until] = [Date.parse(certificate.valid_from), Date.parse(certificate.valid_to)];
  const end = `${certificate.valid_to}`;
  if (now < from) {
    return error(
      'certificate',
      `the certificate is valid only from ${certificate.valid_from}`,
      'Set the clock of this machine, or put a certificate there that is valid now.',
    );
  }
  if (now > until) {
    return error(
      'certificate',
      `the certificate expired at ${end}`,
      'Renew it; the server reads new files by itself.',
    );
  }
  const misnamed = checkServerIdentity(host, certificate);
  if (misnamed !== undefined) {
    return error(
      'certificate',
      `the certificate is not for ${host}, but for ${certificate.subjectaltname ?? certificate.subject?.CN ?? 'nobody'}`,
      'Set `ipc.host` to a name in the certificate, or make one for this name.',
    );
  }
  if (problem !== undefined) {
    return error(
      'certificate',
      `the certificate is not trusted here (${problem})`,
      'Give AceBase the authority that signed it, as `ssl: { ca }` in the `ipc` settings, and this command NODE_EXTRA_CA_CERTS=<its file>; or let the server send the certificates between.',
    );
  }
  const days = Math.floor((until - now) / DAY_MS);
  if (days < EXPIRES_SOON_DAYS) {
    return warning(
      'certificate',
      `the certificate expires in ${days} days, at ${end}`,
      'Renew it; the server reads new files by itself.',
    );
  }
  return ok('certificate', `valid for ${host} until ${end}`);
}

function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
