import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('database-process.js', import.meta.url));

/**
 * Starts one AceBase process.
 *
 * @param {{ name: string, role: 'master' | 'worker', folder: string, port: number,
 *   onMessage: (name: string, message: object) => void }} options
 */
export function startProcess({ name, role, folder, port, onMessage }) {
  const child = fork(script, [name, role, folder, String(port)], {
    // Published AceBase clients print each IPC message to stdout; errors come by stderr.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints = (complaints + text).slice(-4000);
  });
  child.on('message', (message) => onMessage(name, message));

  const exited = new Promise((resolve) => child.once('close', resolve));
  const answered = (type) =>
    new Promise((resolve, reject) => {
      child.on('message', (message) => message.type === type && resolve());
      exited.then((code) => reject(new Error(`the process of ${name} ended (${code})\n${complaints}`)));
    });

  return {
    role,
    ready: answered('ready'),
    tell: (type) => child.send({ type }),
    /** Resolves when the process answers. */
    ask(type, answer) {
      child.send({ type });
      return answered(answer);
    },
    /** Resolves when the database is closed and the process has ended. */
    close() {
      child.send({ type: 'close' });
      const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
      return exited.finally(() => clearTimeout(patience));
    },
    kill: () => child.kill('SIGKILL'),
  };
}
