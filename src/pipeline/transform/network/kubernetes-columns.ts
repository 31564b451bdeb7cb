import type { ClusterIndex, Named } from '../../../kube/index/cluster-index.ts';
import { type KubeKind, typeOf } from '../../../kube/index/objects.ts';

/** A field with a fact about an object. */
export interface KubeColumn {
  readonly name: string;
  readonly kind: 'str' | 'addr';
  /** About the node that the flow begins or ends at, whatever the address names. */
  readonly isHost: boolean;
  /** Empty: the field is absent. */
  value(named: Named, index: ClusterIndex, tracked: ReadonlySet<string>): string;
}

type Value = KubeColumn['value'];

/** The facts, with the end of their name, and with that in the words of OpenTelemetry. */
const FACTS: readonly (readonly [suffix: string, otel: string, value: Value])[] = [
  ['Namespace', 'namespace.name', ({ object }) => object.namespace],
  ['Name', 'name', ({ object }) => object.name],
  ['Type', 'type', ({ object }) => typeOf(object)],
  ['OwnerName', 'owner.name', ({ object }, index, kinds) => index.ownerOf(object, kinds).name],
  ['OwnerType', 'owner.type', ({ object }, index, kinds) => index.ownerOf(object, kinds).kind],
  ['NetworkName', 'net.name', ({ network }) => network],
  ['HostIP', 'host.ip', ({ object }) => object.hostIp],
  ['HostName', 'host.name', ({ object }) => (object.hostIp === '' ? '' : object.hostName)],
  ['Zone', 'zone', ({ object }, index) => index.zoneOf(object)],
];
const HOST_IP = 'HostIP';
const ZONE = 'Zone';
const HOST_FACTS = new Set([HOST_IP, 'HostName', ZONE]);

const KINDS: readonly KubeKind[] = ['Node', 'Pod', 'Service'];

export function columnsOf(options: {
  readonly output: string;
  readonly isOtel: boolean;
  readonly addsZone: boolean;
}): readonly KubeColumn[] {
  const { output, isOtel, addsZone } = options;
  const columns = FACTS.filter(([suffix]) => suffix !== ZONE || addsZone).map(
    ([suffix, otel, value]): KubeColumn => ({
      name: isOtel ? `${output}k8s.${otel}` : `${output}_${suffix}`,
      kind: suffix === HOST_IP ? 'addr' : 'str',
      isHost: HOST_FACTS.has(suffix),
      value,
    }),
  );
  return isOtel ? [...columns, ...KINDS.flatMap((kind) => ofKind(output, kind))] : columns;
}

/** Fields that only objects of one kind have. */
function ofKind(output: string, kind: KubeKind): readonly KubeColumn[] {
  const word = `${output}k8s.${kind.toLowerCase()}`;
  const only = (one: 'name' | 'uid'): KubeColumn => ({
    name: `${word}.${one}`,
    kind: 'str',
    isHost: false,
    value: ({ object }) => {
      const isKnown = one === 'uid' ? object.kind === kind : typeOf(object) === kind;
      return isKnown ? object[one] : '';
    },
  });
  return [only('name'), only('uid')];
}
