import type { ArrivalRequest, Entrance, Link, Visitor } from '../../../src/broker/ports.js';
import { Client } from '../../../src/client/core/client.js';
import type { Worker } from '../../simulation/model/worker.js';
import { type Plan, planOf } from '../../simulation/plan.js';
import { type BrokerClass, World } from '../../simulation/world.js';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { type ScriptedConnection, ScriptedServer } from '../../support/scripted-server.js';

/** An AceBase process, real or modelled, and the server's end of its line. */
export interface Subject {
  /** The server says something. */
  say(frame: string): void;
  /** What the process says next; `undefined` if it has ended, or its line has. */
  next(): Promise<string | undefined>;
  /** The server closes the line, and lets nobody in any more: upgrades are answered with 500. */
  closeAndRefuse(): void;
  /** The server closes the line, and lets the process in again. */
  reconnect(): Promise<void>;
  /** The ids under which it has connected. */
  ids(): readonly string[];
  /** Resolves when it has ended by itself. */
  ended(): Promise<void>;
  /** Ends it. */
  end(): Promise<void>;
}

export type Role = 'master' | 'worker';

/** Real AceBase, in a process of its own, with a file that is there. */
export class RealSubject implements Subject {
  readonly process: AceBaseProcess;
  readonly #server: ScriptedServer;
  #connection: ScriptedConnection;

  private constructor(server: ScriptedServer, process: AceBaseProcess, connection: ScriptedConnection) {
    this.#server = server;
    this.process = process;
    this.#connection = connection;
  }

  /** Makes the file of the database that {@link RealSubject.start} opens. */
  static async makeFile(path: string): Promise<void> {
    const alone = new AceBaseProcess({ name: 'alone', database: 'mydb', path });
    await alone.ready();
    await alone.kill();
  }

  static async start(role: Role, path: string, client: boolean | 'import' = false): Promise<RealSubject> {
    const server = await ScriptedServer.start();
    const ipc = { host: '127.0.0.1', port: server.port, role };
    const process = new AceBaseProcess({ name: role, database: 'mydb', path, ipc, client });
    const connection = await server.connection();
    connection.say('welcome:{"maxPayload":1000000}');
    await process.ready();
    return new RealSubject(server, process, connection);
  }

  say(frame: string): void {
    this.#connection.say(frame);
  }

  next(): Promise<string | undefined> {
    return this.#connection.next();
  }

  closeAndRefuse(): void {
    this.#server.refuseWith = 500;
    this.#connection.close();
  }

  async reconnect(): Promise<void> {
    this.#connection.close();
    this.#connection = await this.#server.connection();
    this.#connection.say('welcome:{"maxPayload":1000000}');
  }

  ids(): readonly string[] {
    return this.#server.urls.map((url) => /&id=([^&]*)/.exec(url)?.[1] ?? '');
  }

  async ended(): Promise<void> {
    await this.process.exited;
  }

  async end(): Promise<void> {
    await this.process.kill();
    await this.#server.stop();
  }
}

/** A process of the simulation, with a broker that says only what it is told to say. */
export class ModelSubject implements Subject {
  readonly world: World;
  readonly #broker = new ScriptedBroker();

  constructor(role: Role) {
    const plan: Plan = { ...planOf(1), delayChance: 0, opensWithin: 1, diskLatency: 1, loops: 1 };
    const broker = this.#broker;
    // What is made by `new` is what a constructor returns, if that is an object.
    const BrokerClass = function makeBroker() {
      return broker;
    } as unknown as BrokerClass;
    this.world = new World(plan, { Broker: BrokerClass, Client }, false);
    // Its own work would come in between.
    this.world.isWorking = false;
    this.world.isSupervised = false;
    if (role === 'master') this.world.startMaster();
    else this.world.startWorker();
    // It is to say no more than what it is asked.
    if (role === 'worker') this.worker.subscriptions.clear();
    this.#pass();
    this.say('welcome:{"maxPayload":1000000}');
  }

  /** The worker, if it is one. */
  get worker(): Worker {
    const [worker] = this.world.workers;
    if (worker === undefined) throw new Error('It is no worker');
    return worker;
  }

  say(frame: string): void {
    this.#broker.link?.send(new TextEncoder().encode(frame));
    this.#pass();
  }

  async next(): Promise<string | undefined> {
    this.#pass();
    return this.#broker.frames.shift();
  }

  closeAndRefuse(): void {
    this.#broker.refuses = true;
    this.#broker.link?.close('IPC_CLOSED_STOPPING');
    this.#pass();
  }

  async reconnect(): Promise<void> {
    this.#broker.link?.close('IPC_CLOSED_STOPPING');
    this.#pass();
  }

  ids(): readonly string[] {
    return this.#broker.ids;
  }

  async ended(): Promise<void> {
    this.#pass();
    if (this.world.processes.size > 0) throw new Error('It lives on');
  }

  async end(): Promise<void> {
    for (const process of this.world.processes) process.die('the test is over');
  }

  #pass(): void {
    this.world.clock.advance(1_000);
  }
}

/** The server's end of the line of a modelled process. */
class ScriptedBroker {
  readonly frames: string[] = [];
  readonly ids: string[] = [];
  refuses = false;
  link: Link | undefined;

  arrive({ peerId }: ArrivalRequest, entrance: Entrance): () => void {
    this.ids.push(peerId);
    if (this.refuses) {
      entrance.refuse('IPC_REFUSED_UNSAFE_RETURN');
      return () => undefined;
    }
    const visitor: Visitor = {
      receive: (frame) => {
        const text = new TextDecoder().decode(frame);
        if (text !== 'ping') this.frames.push(text);
      },
      acknowledge: () => undefined,
      isPlaceKept: true,
      left: () => undefined,
    };
    this.link = entrance.accept(visitor);
    return () => undefined;
  }

  hasPeer(): boolean {
    return true;
  }
}
