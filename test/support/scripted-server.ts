import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** The server's end of one connection, spoken by a test. */
export class ScriptedConnection {
  readonly #socket: WebSocket;
  readonly #frames: string[] = [];
  #awake: () => void = () => undefined;
  isClosed = false;
  readonly #pings: Buffer[] = [];
  #answersPings = true;
  #lastAnswered: string | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('ping', (data: Buffer) => {
      if (this.#answersPings) socket.pong(data);
      else this.#pings.push(data);
    });
    socket.on('message', (data: Buffer) => {
      this.#frames.push(data.toString());
      if (data.toString() === this.#lastAnswered) this.#answersPings = false;
      this.#awake();
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.#awake();
    });
    // A process that is killed resets its connection.
    socket.on('error', () => undefined);
  }

  say(frame: string): void {
    this.#socket.send(frame);
  }

  /** From that frame of the client on, no ping is answered. */
  answerPingsUntil(frame: string): void {
    this.#lastAnswered = frame;
  }

  /** Pings are answered again, those before included. */
  answerPings(): void {
    this.#answersPings = true;
    for (const data of this.#pings.splice(0)) this.#socket.pong(data);
  }

  close(): void {
    this.#socket.close();
  }

  /** Resolves with the next frame of the client, pings left out; with `undefined` when the connection has ended. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined && frame !== 'ping') return frame;
      if (frame === undefined) {
        if (this.isClosed) return undefined;
        await new Promise<void>((resolve) => {
          this.#awake = resolve;
        });
      }
    }
  }
}

/** A WebSocket server that says only what a test has it say: for trying clients. */
export class ScriptedServer {
  readonly #server: WebSocketServer;
  readonly #connections: ScriptedConnection[] = [];
  #awake: () => void = () => undefined;
  /** Answers handshakes with this status instead of letting clients in. */
  refuseWith: number | undefined;
  /** The URLs that clients asked for. */
  readonly urls: string[] = [];

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#connections.push(new ScriptedConnection(socket));
      this.#awake();
    });
  }

  static async start(): Promise<ScriptedServer> {
    let scripted: ScriptedServer | undefined;
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      autoPong: false,
      verifyClient: ({ req }, answer) => {
        scripted?.urls.push(req.url ?? '');
        const status = scripted?.refuseWith;
        answer(status === undefined, status);
      },
    });
    scripted = new ScriptedServer(server);
    await once(server, 'listening');
    return scripted;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves with the next connection that is opened. */
  async connection(): Promise<ScriptedConnection> {
    for (;;) {
      const connection = this.#connections.shift();
      if (connection !== undefined) return connection;
      await new Promise<void>((resolve) => {
        this.#awake = resolve;
      });
    }
  }

  async stop(): Promise<void> {
    for (const client of this.#server.clients) client.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
