import { useState } from 'preact/hooks';
import { concernsOf, firstChoice, healthOf, isTroubled, managedMasterOf, shownHealth } from '../cluster.js';
import type { History } from '../history.js';
import type { DatabaseStatus, Status } from '../status.js';
import { count } from '../words.js';
import { Database, ProblemBanner } from './database.js';
import { Empty } from './empty.js';
import { Mark } from './mark.js';

interface ClusterProps {
  readonly status: Status;
  readonly history: History;
  /** The database that the address names. */
  readonly choice: string | undefined;
  readonly hasToken: boolean;
  /** Whether there is no line: what is shown is what was known last. */
  readonly isStale: boolean;
}

/** All databases, and one of them closely. */
export function Cluster({ status, history, choice, hasToken, isStale }: ClusterProps) {
  // What is shown must not change by itself because another database fares worse.
  const [first, setFirst] = useState<string>();
  const { databases, server } = status;
  const name = choice ?? first ?? firstChoice(status);
  if (name !== undefined && first === undefined) setFirst(name);
  const concerns = concernsOf(status);
  if (databases.length === 0 && choice === undefined) {
    return (
      <>
        {concerns.length > 0 && (
          <section class="problems" aria-label="Problems">
            {concerns.map((problem, index) => (
              <ProblemBanner key={`${problem.code} ${index}`} problem={problem} now={server.now} />
            ))}
          </section>
        )}
        <Empty hasToken={hasToken} />
      </>
    );
  }
  const chosen = databases.find((database) => database.name === name);
  return (
    <>
      {databases.length > 1 && (
        <Databases databases={databases} chosen={name} total={server.databaseCount} isStale={isStale} />
      )}
      {chosen === undefined ? (
        <Absent name={name ?? ''} isAlone={databases.length === 0} hasToken={hasToken} />
      ) : (
        <Database
          key={chosen.name}
          database={chosen}
          managedMaster={managedMasterOf(status, chosen.name)}
          history={history}
          now={server.now}
          concerns={concerns}
          isStale={isStale}
          others={databases.filter((database) => database !== chosen && isTroubled(database))}
        />
      )}
    </>
  );
}

function Databases({
  databases,
  chosen,
  total,
  isStale,
}: {
  readonly databases: readonly DatabaseStatus[];
  readonly chosen: string | undefined;
  /** More than are listed, if there are very many. */
  readonly total: number;
  readonly isStale: boolean;
}) {
  const words = {
    well: 'well',
    warning: 'has a problem',
    critical: 'has a serious problem',
    left: 'nobody is connected',
  };
  return (
    <nav class="databases" aria-label="Databases">
      <ul>
        {databases.map((database) => {
          const health = shownHealth(database, isStale);
          const label = isStale ? `${words[healthOf(database)]}, as far as is known` : words[health];
          return (
            <li key={database.name}>
              <a
                href={`#/${encodeURIComponent(database.name)}`}
                aria-current={database.name === chosen ? 'page' : undefined}
              >
                <Mark health={health} label={label} />
                {database.name}
              </a>
            </li>
          );
        })}
      </ul>
      {total > databases.length && (
        <p class="quiet">{count(total - databases.length)} more databases are not shown.</p>
      )}
    </nav>
  );
}

function Absent({
  name,
  isAlone,
  hasToken,
}: {
  readonly name: string;
  readonly isAlone: boolean;
  readonly hasToken: boolean;
}) {
  return (
    <>
      <section class="banner warning" aria-label="Problems">
        <Mark health="warning" />
        <div>
          <h2>Nobody is connected to {name}.</h2>
          <p>
            {isAlone
              ? 'No process is connected at all.'
              : 'Choose another database above, or start its processes.'}
          </p>
        </div>
      </section>
      {isAlone && <Empty hasToken={hasToken} />}
    </>
  );
}
