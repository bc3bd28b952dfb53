import type { FeedState } from '../feed.js';
import type { History } from '../history.js';
import type { Status } from '../status.js';
import { seconds, timeOfDay } from '../words.js';
import { Cluster } from './cluster.js';
import { Mark } from './mark.js';
import { ServerLine } from './server-line.js';
import { TokenForm } from './token-form.js';

interface PageProps {
  readonly feed: FeedState;
  /** The last one that came. */
  readonly status: Status | null;
  readonly history: History;
  /** The database that the address names. */
  readonly choice: string | undefined;
  /** The page's own clock, in milliseconds since 1970. */
  readonly now: number;
  readonly hasToken: boolean;
  /** A token was typed; `null`: it is to be forgotten. */
  readonly onToken: (token: string | null) => void;
  readonly onRetry: () => void;
}

/** Everything that is seen. */
export function Page(props: PageProps) {
  const { feed, status, hasToken, onToken } = props;
  const isOpen = status !== null && feed.kind !== 'token' && feed.kind !== 'refused';
  return (
    <>
      <header class="top">
        <div class="top-row">
          <h1>
            <svg class="logo" viewBox="0 0 16 16" aria-hidden="true">
              <path d="M8 8 3 3.5M8 8l5-4.5M8 8v5" />
              <circle cx="8" cy="8" r="2.8" />
              <circle cx="3" cy="3.5" r="1.9" />
              <circle cx="13" cy="3.5" r="1.9" />
              <circle cx="8" cy="13.4" r="1.9" />
            </svg>
            AceBase IPC server
            {status !== null && isOpen && <span class="version">{status.server.version}</span>}
          </h1>
          <div class="top-end">
            {hasToken && feed.kind !== 'token' && (
              <button type="button" class="plain" onClick={() => onToken(null)}>
                Forget token
              </button>
            )}
            <LineState feed={feed} />
          </div>
        </div>
        {status !== null && isOpen && <ServerLine server={status.server} />}
      </header>
      <main>
        <Content {...props} />
      </main>
    </>
  );
}

/** In a word: whether what is seen is live. */
function LineState({ feed }: { readonly feed: FeedState }) {
  const words = {
    live: 'Live',
    connecting: 'Connecting',
    lost: 'Not connected',
    token: 'Token needed',
    refused: 'Refused',
  };
  return (
    <p class={`line-state ${feed.kind}`} role="status">
      <span class="dot" aria-hidden="true" />
      {words[feed.kind]}
    </p>
  );
}

function Content(props: PageProps) {
  const { feed, status, history, choice, hasToken, onToken } = props;
  switch (feed.kind) {
    case 'token':
      return <TokenForm wasWrong={feed.wasWrong} onToken={onToken} />;
    case 'refused':
      return <Refused {...props} message={feed.message} remedy={feed.remedy} />;
    case 'connecting':
    case 'lost':
    case 'live':
      return (
        <>
          {feed.kind === 'lost' && <Lost {...props} feed={feed} />}
          {status === null && feed.kind !== 'lost' && <p class="quiet center">Connecting …</p>}
          {status !== null && (
            <Cluster
              status={status}
              history={history}
              choice={choice}
              hasToken={hasToken}
              isStale={feed.kind === 'lost'}
            />
          )}
        </>
      );
  }
}

function Lost({ feed, status, now, onRetry }: PageProps & { readonly feed: FeedState & { kind: 'lost' } }) {
  const wait = Math.ceil((feed.retryAt - now) / 1_000);
  return (
    <section class="banner critical" aria-label="Connection">
      <Mark health="critical" />
      <div>
        <h2>
          {feed.reason} No connection for {seconds(now - feed.since)}.
        </h2>
        <p>
          {status === null
            ? 'Is the server running, and can this browser reach it? '
            : `What you see is from ${timeOfDay(status.server.now, now)}. `}
          {wait > 0 ? `Trying again in ${wait} s.` : 'Trying again …'}
        </p>
      </div>
      <button type="button" onClick={onRetry}>
        Try now
      </button>
    </section>
  );
}

function Refused(props: PageProps & { readonly message: string; readonly remedy: string }) {
  return (
    <section class="banner critical" aria-label="Connection">
      <Mark health="critical" />
      <div>
        <h2>{props.message}</h2>
        <p>{props.remedy}</p>
      </div>
      <button type="button" onClick={props.onRetry}>
        Try again
      </button>
    </section>
  );
}
