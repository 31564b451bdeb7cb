/** Who a process belongs to, by the path of its control group. */
export type Workload =
  | { readonly kind: 'container'; readonly id: string; readonly runtime: string }
  /** A service or scope of systemd, without what only its instance has in its name. */
  | { readonly kind: 'unit'; readonly name: string };

/** Length to which runtimes shorten a container's id. */
const SHORT_ID_DIGITS = 12;

/** 64 hexadecimal digits, bare or as a unit of systemd: docker-…, cri-containerd-…, crio-…. */
const CONTAINER = /^(?:([a-z][a-z0-9-]*)-)?([0-9a-f]{64})(?:\.scope)?$/;
const UNIT = /^(.+)\.(service|scope)$/;

/** Runtimes by the beginning of the unit, or by the folder that they keep containers in. */
const RUNTIMES: Readonly<Record<string, string>> = {
  docker: 'docker',
  libpod: 'podman',
  libpod_parent: 'podman',
  crio: 'cri-o',
  'cri-containerd': 'containerd',
  nerdctl: 'containerd',
};
const UNKNOWN_RUNTIME = 'container';

/** The innermost container of a path or, without one, the innermost unit of systemd. */
export function workloadOf(path: string): Workload | undefined {
  const parts = path.split('/').reverse();
  for (const [at, part] of parts.entries()) {
    const [, prefix, id] = CONTAINER.exec(part) ?? [];
    if (id === undefined) continue;
    const place = prefix ?? parts[at + 1] ?? '';
    const runtime = Object.hasOwn(RUNTIMES, place) ? RUNTIMES[place]! : UNKNOWN_RUNTIME;
    return { kind: 'container', id, runtime };
  }
  for (const part of parts) {
    const [, name, type] = UNIT.exec(part) ?? [];
    if (name !== undefined) return { kind: 'unit', name: `${lasting(name, type!)}.${type}` };
  }
  return undefined;
}

/** `docker 4c01db0b339c`, for a container whose name is not known. */
export function shortName({ runtime, id }: Extract<Workload, { kind: 'container' }>): string {
  return `${runtime} ${id.slice(0, SHORT_ID_DIGITS)}`;
}

/**
 * Desktops start a program each time in a unit of another name; systemd.io/DESKTOP_ENVIRONMENTS
 * says how: `app-NAME-RANDOM.scope`, `app-NAME@RANDOM.service`. Some end in a UUID.
 */
function lasting(name: string, type: string): string {
  const whole = name.replace(/-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, '');
  const bare = whole.startsWith('app-')
    ? whole.replace(type === 'scope' ? /-[0-9a-f]+$/ : /@.*$/, '')
    : whole;
  return bare.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
