import type { FieldSpec } from '../field.ts';
import { kubeFields } from './kube.ts';

const shared = { producer: 'agent', feature: 'packetTranslation' } as const;
const GROUP = 'Xlat';

/**
 * The flow on the other side of the kernel's address translation (NAT): after translation for
 * packets that were seen before it, and the reverse.
 */
export const translationFields: readonly FieldSpec[] = [
  {
    ...shared,
    name: 'ZoneId',
    kind: 'u16',
    meaning: 'Connection-tracking zone of the translation.',
    proto: { path: 'xlat.zone_id', numbers: [28, 5], presence: 'translated' },
    cardinality: 'avoid',
    otel: 'xlat.zone',
    column: {
      id: 'XlatZoneId',
      name: 'Xlat zone id',
      group: GROUP,
      width: 5,
      default: true,
      renderer: 'number',
      tooltip: 'Connection-tracking zone of the translation.',
    },
    filter: {
      id: 'xlat_zone_id',
      name: 'Xlat Zone Id',
      component: 'number',
      category: 'common',
      hint: 'Number of a connection-tracking zone.',
    },
  },
  ...translated({
    isSource: true,
    prefix: 'XlatSrc',
    word: 'source',
    short: 'src',
    element: 'Source',
  }),
  ...translated({
    isSource: false,
    prefix: 'XlatDst',
    word: 'destination',
    short: 'dst',
    element: 'Destination',
  }),
];

interface TranslatedEnd {
  readonly isSource: boolean;
  readonly prefix: string;
  readonly word: 'source' | 'destination';
  /** Prefix or word in protobuf paths. */
  readonly short: string;
  /** Word in names of IPFIX elements. */
  readonly element: string;
}

function translated(end: TranslatedEnd): readonly FieldSpec[] {
  const { prefix, word } = end;
  return [
    address(end),
    port(end),
    ...kubeFields({
      prefix,
      pairPrefix: 'Xlat',
      word: `translated ${word}`,
      otel: `xlat.${word}`,
      feature: 'packetTranslation',
    }),
  ];
}

function address({ isSource, prefix, word, short, element }: TranslatedEnd): FieldSpec {
  return {
    ...shared,
    name: `${prefix}Addr`,
    kind: 'addr',
    meaning: `Address of the ${word} on the other side of address translation.`,
    pair: 'XlatAddr',
    proto: {
      path: `xlat.${short}_addr`,
      numbers: [28, isSource ? 1 : 2],
      presence: 'translated',
      context: isSource ? 'translatedSource' : 'translatedDestination',
      isOfPacket: true,
    },
    ipfix: {
      name: `postNAT${element}IPv4Address`,
      id: isSource ? 225 : 226,
      v6: { name: `postNAT${element}IPv6Address`, id: isSource ? 281 : 282 },
    },
    cardinality: 'avoid',
    otel: `xlat.${word}.address`,
    column: {
      id: `${prefix}Addr`,
      name: `Xlat ${word} IP`,
      group: GROUP,
      width: 10,
      renderer: 'address',
      tooltip: `Address of the ${word} on the other side of address translation.`,
    },
    filter: {
      id: `xlat_${short}_address`,
      name: `Xlat ${word} address`,
      component: 'text',
      category: word,
      hint: `Translated address of the ${word}, a network or a range.`,
      placeholder: '192.0.2.0/24',
    },
  };
}

function port({ isSource, prefix, word, short, element }: TranslatedEnd): FieldSpec {
  return {
    ...shared,
    name: `${prefix}Port`,
    kind: 'u16',
    meaning: `Port of the ${word} on the other side of address translation.`,
    semantics: 'port',
    pair: 'XlatPort',
    proto: {
      path: `xlat.${short}_port`,
      numbers: [28, isSource ? 3 : 4],
      presence: 'translatedNonZero',
    },
    ipfix: { name: `postNAPT${element}TransportPort`, id: isSource ? 227 : 228 },
    cardinality: 'careful',
    otel: `xlat.${word}.port`,
    column: {
      id: `${prefix}Port`,
      name: `Xlat ${word} port`,
      group: GROUP,
      width: 10,
      renderer: 'port',
      tooltip: `Port of the ${word} on the other side of address translation.`,
    },
    filter: {
      id: `xlat_${short}_port`,
      name: `Xlat ${word} port`,
      component: 'autocomplete',
      category: word,
      hint: `Translated port of the ${word}, number or name.`,
      placeholder: '443, https',
    },
  };
}
