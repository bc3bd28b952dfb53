import { describe, expect, test } from 'vitest';
import { optionTable, resolveSources } from '../../../src/options.js';
import { read, tableRows } from '../docs/markdown.js';
import { type Manifest, manifest, manifests, podOf, type Variable } from './manifests.js';

const deployments = manifests().filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
const guide = read('deploy/README.md');

/** The secrets that the guide has one make: names, and their keys. */
const secrets = new Map(
  [...guide.matchAll(/kubectl create secret generic (\S+)((?: \\?\n? *--from-\S+)+)/g)].map(
    ([, name = '', rest = '']) => [
      name,
      [...rest.matchAll(/--from-(?:file|literal)=([^=\s]+)=/g)].map(([, key = '']) => key),
    ],
  ),
);

const variableOf = (env: readonly Variable[], name: string) => env.find((it) => it.name === name)?.value;

describe('the manifests', () => {
  test('are a server, a master and workers, each name once', () => {
    expect(deployments.map(({ metadata }) => metadata.name)).toEqual([
      'shop-master',
      'shop-worker',
      'acebase-ipc',
    ]);
    const names = manifests().map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(secrets.size).toBeGreaterThan(2);
  });

  test.each(deployments.map((it) => [it.metadata.name, it] as const))(
    '%s selects its own pods',
    (_, deployment) => {
      const labels = deployment.spec.template?.metadata.labels;
      expect(deployment.spec.selector).toEqual({ matchLabels: labels });
    },
  );

  test.each(deployments.map((it) => [it.metadata.name, it] as const))(
    '%s mounts what there is',
    (_, deployment) => {
      const { pod, container } = podOf(deployment);
      const mounts = container.volumeMounts.map(({ name }) => name);
      expect(mounts.toSorted()).toEqual(pod.volumes.map(({ name }) => name).toSorted());
      // Kubernetes never renews a file that is mounted by itself.
      expect(container.volumeMounts.filter(({ subPath }) => subPath !== undefined)).toEqual([]);
      for (const { secret, persistentVolumeClaim } of pod.volumes) {
        if (secret !== undefined) {
          expect([...secrets.keys()]).toContain(secret.secretName);
          for (const { key } of secret.items ?? []) expect(secrets.get(secret.secretName)).toContain(key);
        } else {
          expect(() =>
            manifest('PersistentVolumeClaim', persistentVolumeClaim?.claimName ?? ''),
          ).not.toThrow();
        }
      }
    },
  );

  test.each(deployments.map((it) => [it.metadata.name, it] as const))(
    '%s has variables that are read',
    (_, deployment) => {
      const { container, pod } = podOf(deployment);
      const known = new Set(optionTable().map(({ environment }) => environment));
      const example = read('examples/cloud/start-db.js');
      for (const { name, valueFrom } of container.env) {
        if (name.startsWith('ACEBASE_IPC_SERVER_')) expect([...known]).toContain(name);
        else if (name !== 'NODE_EXTRA_CA_CERTS') expect(example).toMatch(new RegExp(`\\b${name}\\b`));
        const ref = valueFrom?.secretKeyRef;
        if (ref !== undefined) expect(secrets.get(ref.name)).toContain(ref.key);
      }
      // Paths in variables lead to keys of mounted secrets.
      for (const { name, value } of container.env) {
        if (typeof value !== 'string' || !value.startsWith('/etc/')) continue;
        const mount = container.volumeMounts.find(({ mountPath }) => value.startsWith(`${mountPath}/`));
        const secret = pod.volumes.find((volume) => volume.name === mount?.name)?.secret;
        const file = value.slice((mount?.mountPath.length ?? 0) + 1);
        expect(
          secret?.items?.map(({ path }) => path) ?? secrets.get(secret?.secretName ?? ''),
          name,
        ).toContain(file);
      }
      // Else the variables that Kubernetes sets would mix with ours.
      expect(pod.enableServiceLinks).toBe(false);
    },
  );

  test.each(deployments.map((it) => [it.metadata.name, it] as const))(
    '%s is no root, and probes its own ports',
    (_, deployment) => {
      const { container, pod } = podOf(deployment);
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1_000 });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const ports = (container.ports ?? []).map(({ name }) => name);
      for (const probe of [container.livenessProbe, container.readinessProbe]) {
        if (probe !== undefined) expect(ports).toContain(probe.httpGet.port);
      }
      for (const service of manifests().filter(({ kind }) => kind === 'Service')) {
        const selected = deployments.filter(({ spec }) => {
          return JSON.stringify(spec.template?.metadata.labels) === JSON.stringify(service.spec.selector);
        });
        expect(selected, service.metadata.name).toHaveLength(1);
        for (const { targetPort } of service.spec.ports ?? []) {
          const [own] = selected.map((it) => podOf(it).container.ports?.map(({ name }) => name));
          expect(own).toContain(targetPort);
        }
      }
    },
  );
});

test('there is one server and one master, of a kind that never starts a second pod beside the first', () => {
  for (const name of ['acebase-ipc', 'shop-master']) {
    const { spec } = manifest('StatefulSet', name);
    expect(spec.replicas).toBe(1);
    expect(manifest('Service', String(spec.serviceName)).spec.selector).toEqual(
      spec.selector?.['matchLabels'],
    );
  }
});

describe.each([
  ['deploy/kubernetes', 'shop-master', 'shop-worker'],
  ['deploy/templates/kubernetes', 'mydb-ipc', 'mydb-server'],
])('in %s', (folder, masterName, workerName) => {
  const master = manifest('StatefulSet', masterName, folder);
  const worker = manifest('Deployment', workerName, folder);
  const besides = ({ spec }: Manifest) => ({
    topologyKey: 'kubernetes.io/hostname',
    labelSelector: { matchLabels: spec.template?.metadata.labels },
  });

  test('the servers run where the master and its disk are', () => {
    expect(podOf(worker).pod.affinity).toEqual({
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [besides(master)] },
    });
  });

  // They wait for it, and keep the disk: on another machine, it would wait for that.
  test('the master comes back where the servers are, and is not kept from coming first', () => {
    expect(podOf(master).pod.affinity).toEqual({
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: besides(worker) }],
      },
    });
  });

  test('one server begins alone: it makes the account of a new database', () => {
    expect(worker.spec.replicas).toBe(1);
  });
});

test('the server could start with its variables, and is where the processes look for it', () => {
  const { container, pod } = podOf(manifest('StatefulSet', 'acebase-ipc'));
  const environment = Object.fromEntries(container.env.map(({ name, value }) => [name, String(value)]));
  const { settings, warnings } = resolveSources({
    flags: new Map(),
    environment,
    readFile: () => 'a-token-of-many-characters',
  });
  expect(warnings).toEqual([]);
  expect(container.ports).toEqual([{ name: 'ipc', containerPort: settings.port }]);
  expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(
    settings.drainTimeout + settings.stopTimeout + 7_000,
  );
  const service = manifest('Service', 'acebase-ipc');
  for (const name of ['shop-master', 'shop-worker']) {
    const { env } = podOf(manifest(name === 'shop-worker' ? 'Deployment' : 'StatefulSet', name)).container;
    expect(variableOf(env, 'ACEBASE_IPC_HOST')).toBe(service.metadata.name);
    expect(variableOf(env, 'ACEBASE_IPC_PORT')).toBe(String(service.spec.ports?.[0]?.port));
    expect(variableOf(env, 'ACEBASE_IPC_ROLE')).toBe(name.replace('shop-', ''));
    expect(settings.databases).toContain(variableOf(env, 'DB_NAME'));
    // The name by which they call it must be in the certificate that the guide makes.
    expect(guide).toContain(`DNS:${service.metadata.name}`);
  }
});

test('the probes of the server are endpoints that are open to all', () => {
  const { livenessProbe, readinessProbe } = podOf(manifest('StatefulSet', 'acebase-ipc')).container;
  expect([livenessProbe?.httpGet.path, readinessProbe?.httpGet.path]).toEqual(['/health', '/ready']);
  expect([livenessProbe?.httpGet.scheme, readinessProbe?.httpGet.scheme]).toEqual(['HTTPS', 'HTTPS']);
});

test('the guide lists every file of deploy', () => {
  expect(tableRows(guide).filter((row) => 'file' in row).length).toBeGreaterThan(5);
});
