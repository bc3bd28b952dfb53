import { render } from 'preact';
import { titleOf } from './cluster.js';
import { StatusFeed } from './feed.js';
import { History } from './history.js';
import type { Status } from './status.js';
import { keepToken, keptToken } from './token.js';
import { Page } from './views/page.js';

/** Databases are chosen by the address, so that one can be linked to: `#/mydb_data`. */
const CHOICE = /^#\/(.+)$/;

const history = new History();
let status: Status | null = null;
let isPending = false;

const feed = new StatusFeed(
  {
    // A token must not follow a redirect to somebody else.
    fetch: (path, request) => fetch(path, { ...request, cache: 'no-store', redirect: 'error' }),
    now: () => Date.now(),
    schedule: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  },
  {
    changed: show,
    received: (received) => {
      status = received;
      history.add(received);
      show();
    },
  },
);

/** Draws the page anew, once for all that happens in one turn. */
function show(): void {
  if (isPending) return;
  isPending = true;
  queueMicrotask(() => {
    isPending = false;
    const root = document.querySelector('#root');
    if (root === null) return;
    document.title = titleOf(status);
    const token = keptToken(sessionStorage);
    render(
      <Page
        feed={feed.state}
        status={status}
        history={history}
        choice={choice()}
        now={Date.now()}
        hasToken={token !== null}
        onToken={useToken}
        onRetry={() => feed.retry()}
      />,
      root,
    );
  });
}

/** Shows this token from now on; `null` forgets it, and all that was seen with it. */
function useToken(token: string | null): void {
  keepToken(sessionStorage, token);
  if (token === null) status = null;
  feed.start(token);
}

function choice(): string | undefined {
  const [, name] = CHOICE.exec(location.hash) ?? [];
  try {
    return name === undefined ? undefined : decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

addEventListener('hashchange', show);
addEventListener('online', () => feed.retry());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') feed.retry();
});
// While there is no line, only this clock moves.
setInterval(() => {
  if (feed.state.kind === 'lost') show();
}, 1_000);

feed.start(keptToken(sessionStorage));
