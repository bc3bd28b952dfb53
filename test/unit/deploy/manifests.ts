import { parseAllDocuments } from 'yaml';
import { filesBelow, read } from '../docs/markdown.js';

/** An object of a manifest, as far as these tests read it. */
export interface Manifest {
  readonly file: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: Spec;
}

interface Spec {
  readonly replicas?: number;
  readonly serviceName?: string;
  readonly selector?: Readonly<Record<string, unknown>>;
  readonly ports?: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
  readonly template?: { readonly metadata: Manifest['metadata']; readonly spec: PodSpec };
}

/** What runs. */
export interface PodSpec {
  readonly enableServiceLinks: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly affinity?: unknown;
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
}

/** A container. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly Variable[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly subPath?: string;
  }[];
}

/** A variable of a container. */
export interface Variable {
  readonly name: string;
  readonly value?: unknown;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string; readonly scheme?: string };
}

interface Volume {
  readonly name: string;
  readonly secret?: {
    readonly secretName: string;
    readonly items?: readonly { readonly key: string; readonly path: string }[];
  };
  readonly persistentVolumeClaim?: { readonly claimName: string };
}

/** The objects of all files in a folder; by default, in `deploy/kubernetes`. */
export function manifests(folder = 'deploy/kubernetes'): Manifest[] {
  return filesBelow(folder, '.yaml').flatMap((file) =>
    parseAllDocuments(read(file)).map((document) => {
      if (document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]?.message}`);
      return { file, ...(document.toJS() as Omit<Manifest, 'file'>) };
    }),
  );
}

/** The only object of that kind and name. */
export function manifest(kind: string, name: string, folder?: string): Manifest {
  const found = manifests(folder).filter((it) => it.kind === kind && it.metadata.name === name);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} of ${kind} ${name}`);
  return found[0];
}

/** The pod of a deployment, and its only container. */
export function podOf(deployment: Manifest): { pod: PodSpec; container: Container } {
  const pod = deployment.spec.template?.spec;
  const [container, ...others] = pod?.containers ?? [];
  if (pod === undefined || container === undefined || others.length > 0) throw new Error('not one container');
  return { pod, container };
}
