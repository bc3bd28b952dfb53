/**
 * What a request line asks for (docs/PROTOCOL.md, sections 2 and 4): `/<database>/<endpoint>?<query>`.
 *
 * Read by hand, since stock clients put names and tokens into the URL as they are: a `+` is a plus, and a stray `%`
 * stands for itself.
 */
export interface Target {
  /** Undefined where the path has not exactly two segments. */
  readonly database: string | undefined;
  /** The second segment: `connect`, `send`, … */
  readonly endpoint: string | undefined;
  /** The path, for logs: without the query, which may hold a token. */
  readonly path: string;
  /** What stands behind the `?`, as it is. */
  readonly query: string;
}

/** Reads a request line's URL. Never throws. */
export function parseTarget(url: string): Target {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const [empty, database, endpoint, ...rest] = path.split('/');
  if (empty !== '' || !database || !endpoint || rest.length > 0) {
    return { database: undefined, endpoint: undefined, path, query };
  }
  return { database: percentDecode(database), endpoint, path, query };
}

/** The value of a parameter, percent-decoded; the first, if there are several. */
export function queryParameter(query: string, name: string): string | undefined {
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    if (equals >= 0 && part.slice(0, equals) === name) return percentDecode(part.slice(equals + 1));
  }
  return undefined;
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
