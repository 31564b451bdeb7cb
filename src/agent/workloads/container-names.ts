import { constants, open } from 'node:fs/promises';
import { join } from 'node:path';
import { printable } from '../../base/printable.ts';

/** Containers whose names are kept; when there are more, all are forgotten. */
const REMEMBERED_MAX = 16_384;
const FILE_BYTES_MAX = 1024 ** 2;
const NAME_CHARS_MAX = 253;

/** Outcome of a look-up, for a counter. */
export type NameOutcome = 'found' | 'unknown';

export interface ContainerNamesDeps {
  /** Folder that holds the files of runtimes; default: the root. */
  readonly root?: string;
  readonly onLookUp?: (outcome: NameOutcome) => void;
}

/** A file of a runtime that may name a container, and the name in its contents. */
interface Source {
  readonly path: (id: string) => string;
  readonly name: (contents: unknown, id: string) => string | undefined;
}

/** Files that runtimes write when they make a container, for root to read. */
const SOURCES: readonly Source[] = [
  { path: (id) => `var/lib/docker/containers/${id}/config.v2.json`, name: nameOfDocker },
  ...['run/containerd', 'run/k3s/containerd'].flatMap((place) =>
    ['k8s.io', 'default'].map((namespace) => ({
      path: (id: string) => `${place}/io.containerd.runtime.v2.task/${namespace}/${id}/config.json`,
      name: nameOfBundle,
    })),
  ),
  ...['var/lib/containers/storage', 'run/containers/storage'].map((place) => ({
    path: () => `${place}/overlay-containers/containers.json`,
    name: nameInList,
  })),
];

/**
 * Names of containers, from the files in which Docker, containerd, Podman and CRI-O keep them. A
 * look-up runs beside the capture, one at a time; a name is known at the next drain. It needs no
 * socket of a runtime, which gives all rights of root.
 */
export class ContainerNames {
  readonly #root: string;
  readonly #onLookUp: (outcome: NameOutcome) => void;
  /** By id; empty: being looked up, or unknown. */
  readonly #names = new Map<string, string>();
  readonly #pending: string[] = [];
  #running: Promise<void> | undefined;
  /** Counts the names that were found. */
  version = 0;

  constructor({ root = '/', onLookUp = () => undefined }: ContainerNamesDeps = {}) {
    this.#root = root;
    this.#onLookUp = onLookUp;
  }

  /** Empty while it is not known: the first call begins the look-up. */
  nameOf(id: string): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    if (this.#names.size >= REMEMBERED_MAX) {
      this.#names.clear();
      this.#pending.length = 0;
    }
    this.#names.set(id, '');
    this.#pending.push(id);
    this.#running ??= this.#work();
    return '';
  }

  /** Resolves when all look-ups that were begun are done. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #work(): Promise<void> {
    for (let id = this.#pending.shift(); id !== undefined; id = this.#pending.shift()) {
      const name = await this.#find(id);
      this.#onLookUp(name === undefined ? 'unknown' : 'found');
      if (name === undefined) continue;
      this.#names.set(id, name);
      this.version++;
    }
    this.#running = undefined;
  }

  async #find(id: string): Promise<string | undefined> {
    for (const { path, name } of SOURCES) {
      const found = name(await contentsOf(join(this.#root, path(id))), id);
      if (found !== undefined) return printable(found).slice(0, NAME_CHARS_MAX);
    }
    return undefined;
  }
}

/** JSON of a file; undefined: there is none that can be read. */
async function contentsOf(path: string): Promise<unknown> {
  try {
    // A pipe without a writer would hold up a thread of the pool.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    const { size } = stat;
    if (!stat.isFile() || size > FILE_BYTES_MAX) return undefined;
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    return JSON.parse(buffer.toString('utf8', 0, bytesRead));
  } catch {
    return undefined;
  }
}

function at(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

function textAt(value: unknown, key: string): string | undefined {
  const found = at(value, key);
  return typeof found === 'string' && found !== '' ? found : undefined;
}

function nameOfDocker(contents: unknown): string | undefined {
  const name = textAt(contents, 'Name')?.replace(/^\//, '');
  return name === undefined ? undefined : ofKubelet(name);
}

/** Annotations of the bundle by the plugin for Kubernetes, or by nerdctl. */
function nameOfBundle(contents: unknown): string | undefined {
  const annotations = at(contents, 'annotations');
  const kubernetes = (key: string) => textAt(annotations, `io.kubernetes.cri.${key}`);
  const pod = kubernetes('sandbox-name');
  if (pod === undefined) return textAt(annotations, 'nerdctl/name');
  return inPod(kubernetes('sandbox-namespace'), pod, kubernetes('container-name'));
}

/** The list of Podman and CRI-O, which share one library. */
function nameInList(contents: unknown, id: string): string | undefined {
  if (!Array.isArray(contents)) return undefined;
  const names = at(contents.find((one) => at(one, 'id') === id) ?? {}, 'names');
  const name: unknown = Array.isArray(names) ? names[0] : undefined;
  return typeof name === 'string' && name !== '' ? ofKubelet(name) : undefined;
}

/** The kubelet's names in Docker and CRI-O: k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT. */
function ofKubelet(name: string): string {
  const [, container, pod, namespace] = /^k8s_([^_]+)_([^_]+)_([^_]+)_/.exec(name) ?? [];
  if (pod === undefined) return name;
  return inPod(namespace, pod, container === 'POD' ? undefined : container);
}

/** The sandbox of a pod is a container without a name. */
function inPod(namespace: string | undefined, pod: string, container: string | undefined): string {
  return [namespace, pod, container].filter((part) => part !== undefined).join('/');
}
