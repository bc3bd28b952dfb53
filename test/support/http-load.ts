import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Filter } from './acebase-process.js';
import { Arrivals } from './waiting.js';

/** Ends a test that hangs. */
const answerTimeoutMs = 30_000;

/** An answer other than 2xx. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    body: string,
  ) {
    super(`HTTP ${status}: ${body.slice(0, 300)}`);
  }
}

/**
 * A client of acebase-server's REST interface. With `keepAlive` all its requests take one connection, and so reach
 * one process of a cluster; without it each request takes a new one, and the processes take turns.
 */
export class DatabaseClient implements Writer {
  readonly #agent: Agent;

  constructor(
    readonly origin: string,
    private readonly database: string,
    private readonly options: { readonly keepAlive?: boolean; readonly accessToken?: string } = {},
  ) {
    this.#agent = new Agent({
      keepAlive: options.keepAlive ?? false,
      maxSockets: options.keepAlive ? 1 : Infinity,
    });
  }

  async ping(): Promise<boolean> {
    return (await this.#request('GET', `/ping/${this.database}`)) === 'pong';
  }

  async set(path: string, value: unknown): Promise<void> {
    await this.#request('PUT', `/data/${this.database}/${path}`, { val: value });
  }

  async get<T = unknown>(path: string): Promise<T> {
    return (await this.#json<{ val: T }>('GET', `/data/${this.database}/${path}`)).val;
  }

  /** The keys of the children that match. */
  async query(path: string, filters: readonly Filter[]): Promise<readonly string[]> {
    const query = {
      filters: filters.map(([key, op, compare]) => ({ key, op, compare })),
      skip: 0,
      take: 0,
      order: [],
    };
    const answer = await this.#json<{ val: { list: readonly { path: string }[] } }>(
      'POST',
      `/query/${this.database}/${path}`,
      { val: { query, options: { snapshots: true } } },
    );
    return answer.val.list.map((result) => result.path.slice(result.path.lastIndexOf('/') + 1));
  }

  /** A transaction is two requests, and the second must reach the process of the first: needs `keepAlive`. */
  async transaction<T>(path: string, change: (value: T | null) => T): Promise<void> {
    const { id, value } = await this.#json<{ id: string; value: { val: T | null } }>(
      'POST',
      `/transaction/${this.database}/start`,
      { path },
    );
    const changed = { val: change(value.val) };
    await this.#request('POST', `/transaction/${this.database}/finish`, { id, path, value: changed });
  }

  /** Signs in and gives a token, good at all processes of the database. */
  async signIn(username: string, password: string): Promise<string> {
    const credentials = { method: 'account', username, password };
    return (await this.#json<{ access_token: string }>('POST', `/auth/${this.database}/signin`, credentials))
      .access_token;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return JSON.parse(await this.#request(method, path, body)) as T;
  }

  #request(method: string, path: string, body?: unknown): Promise<string> {
    const { accessToken } = this.options;
    const headers = {
      'content-type': 'application/json',
      ...(accessToken && { authorization: `Bearer ${accessToken}` }),
    };
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        `${this.origin}${path}`,
        { method, agent: this.#agent, headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.once('error', reject);
          response.once('end', () => {
            const status = response.statusCode ?? 0;
            if (status >= 200 && status < 300) resolve(text);
            else reject(new HttpError(status, text));
          });
        },
      );
      request.once('error', (error: NodeJS.ErrnoException) => {
        // The server closed an idle connection just when it was to be used again: nothing was served, and every
        // HTTP client tries again on a new one.
        if (request.reusedSocket && error.code === 'ECONNRESET') resolve(this.#request(method, path, body));
        else reject(Object.assign(error, { origin: this.origin }));
      });
      request.setTimeout(answerTimeoutMs, () => {
        request.destroy(new Error(`No answer to ${method} ${path} in ${answerTimeoutMs} ms`));
      });
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** What an {@link HttpLoad} needs of a client. */
export interface Writer {
  set(path: string, value: unknown): Promise<void>;
  close(): void;
}

/**
 * What a load balancer does: requests go to one process after the other, and one that does not listen is passed
 * over. A request that has reached a process is never repeated.
 */
export class Balancer implements Writer {
  #turn = 0;

  constructor(private readonly clients: readonly DatabaseClient[]) {}

  async set(path: string, value: unknown): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const client = this.clients[this.#turn++ % this.clients.length];
      try {
        await client?.set(path, value);
        return;
      } catch (error) {
        const refused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
        if (!refused || attempt === this.clients.length) throw error;
      }
    }
  }

  close(): void {
    for (const client of this.clients) client.close();
  }
}

export interface Write {
  readonly path: string;
  readonly value: number;
}

export interface Failure extends Write {
  readonly error: Error;
}

/** Clients that write, each one value after the other, until they are told to stop. */
export class HttpLoad {
  readonly acknowledged = new Arrivals<Write>();
  readonly failures: Failure[] = [];
  readonly #clients: readonly Writer[];
  readonly #loops: readonly Promise<void>[];
  #stopping = false;

  constructor(
    readonly name: string,
    clients: readonly Writer[],
  ) {
    this.#clients = clients;
    this.#loops = clients.map((client, index) => this.#run(client, index));
  }

  /** Resolves when `count` more writes have been acknowledged. */
  async progress(count: number): Promise<void> {
    await this.acknowledged.atLeast(this.acknowledged.all.length + count);
  }

  /** Stops after the requests that are under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#loops);
    for (const client of this.#clients) client.close();
  }

  async #run(client: Writer, index: number): Promise<void> {
    for (let value = 1; !this.#stopping; value++) {
      const path = `${this.name}/client${index}/n${value}`;
      try {
        await client.set(path, value);
        this.acknowledged.add({ path, value });
      } catch (error) {
        this.failures.push({ path, value, error: error as Error });
        // A refused connection fails at once; a client that tried again at once would do nothing else.
        await delay(50);
      }
    }
  }
}
