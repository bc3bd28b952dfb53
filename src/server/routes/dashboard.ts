import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Hono } from 'hono';
import { RefusedRequest, type RouteEnvironment } from './context.js';

/** A file of the page, as `npm run build` leaves it in `dist/dashboard`. */
interface PageFile {
  readonly file: string;
  readonly type: string;
}

/**
 * What the browser asks for. The names have one segment, as those of all that is not about one database, so that they
 * are in nobody's way.
 */
const FILES: Readonly<Record<string, PageFile>> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/dashboard.js': { file: 'dashboard.js', type: 'text/javascript; charset=utf-8' },
  '/dashboard.css': { file: 'dashboard.css', type: 'text/css; charset=utf-8' },
  '/dashboard.svg': { file: 'dashboard.svg', type: 'image/svg+xml' },
};

/** The paths of the dashboard. */
export const DASHBOARD_PATHS: readonly string[] = Object.keys(FILES);

/**
 * Where the built page is, seen from this code: in the library, in the command, in the sources. The script tells the
 * place, since the sources of the page have an `index.html` as well.
 */
const PLACES = ['./dashboard/', '../dashboard/', '../../../dist/dashboard/'].map(
  (path) => new URL(path, import.meta.url),
);

/**
 * The page may load its own files and talk to its own server, and nothing else: no script in the page itself, no
 * other host, no frame around it, and no text that becomes markup.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  Vary: 'Accept-Encoding',
};

/** The bytes of a file, as they are and compressed. */
interface Content {
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly compressed: Uint8Array<ArrayBuffer>;
}

/**
 * `GET /` and the files of that page: the dashboard [PROTOCOL-4.10]. Open to all, since it holds no data: what it shows
 * it asks for with the token that somebody gives it.
 */
export function addDashboardRoutes(app: Hono<RouteEnvironment>): void {
  const contents = new Map<string, Content>();
  for (const [path, { file, type }] of Object.entries(FILES)) {
    app.get(path, async (context) => {
      const content = contents.get(file) ?? (await contentOf(file));
      if (content === undefined) throw new RefusedRequest('IPC_HTTP_NO_DASHBOARD');
      contents.set(file, content);
      const isCompressed = acceptsGzip(context.req.header('Accept-Encoding'));
      return context.body(isCompressed ? content.compressed : content.plain, 200, {
        ...HEADERS,
        'Content-Type': type,
        ...(isCompressed ? { 'Content-Encoding': 'gzip' } : {}),
      });
    });
  }
}

async function contentOf(file: string): Promise<Content | undefined> {
  for (const place of PLACES) {
    const script = await readIfThere(new URL('dashboard.js', place));
    const plain = script && (await readIfThere(new URL(file, place)));
    if (plain === undefined) continue;
    const compressed = await promisify(gzip)(plain, { level: constants.Z_BEST_COMPRESSION });
    return { plain: new Uint8Array(plain), compressed: new Uint8Array(compressed) };
  }
  return undefined;
}

async function readIfThere(url: URL): Promise<Buffer | undefined> {
  try {
    return await readFile(url);
  } catch {
    return undefined;
  }
}

function acceptsGzip(header: string | undefined): boolean {
  return /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(header ?? '');
}
