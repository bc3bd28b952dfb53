import type { Reporter, TestModule } from 'vitest/node';
import { nginxPath } from './nginx-path.js';

/** Says, in the last lines, that tests were left out because nginx is not there, and how to have them. */
export default class NginxNotice implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const concerned = modules.some(({ moduleId }) => moduleId.endsWith('nginx.test.ts'));
    if (!concerned || nginxPath !== undefined) return;
    process.stdout.write(
      '\nThe tests with nginx (test/e2e/deploy/nginx.test.ts) were LEFT OUT: it was not found.\n' +
        'To have them: apt-get install nginx-light, or set NGINX_PATH to the program.\n',
    );
  }
}
