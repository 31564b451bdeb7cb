/**
 * Colours of series, distinguishable with the usual kinds of colour blindness and readable on both
 * backgrounds. The last one is for the rest.
 */
const LIGHT = [
  '#1f6fb4',
  '#e08214',
  '#2a9d74',
  '#b8478f',
  '#7a68c9',
  '#c2a000',
  '#c4482f',
  '#1aa3b8',
];
const DARK = [
  '#5aa9e6',
  '#f2a64e',
  '#4fc79a',
  '#e085bd',
  '#a99af0',
  '#e3c94a',
  '#ee8069',
  '#55cfe0',
];
const REST = { light: '#9aa3ad', dark: '#6d7781' } as const;

export interface ChartColors {
  readonly series: (index: number) => string;
  readonly rest: string;
  readonly axis: string;
  readonly grid: string;
}

export function chartColors(dark: boolean): ChartColors {
  const palette = dark ? DARK : LIGHT;
  return {
    series: (index) => palette[index % palette.length]!,
    rest: dark ? REST.dark : REST.light,
    axis: dark ? '#b5bcc4' : '#5a636d',
    grid: dark ? 'rgba(255,255,255,.08)' : 'rgba(0,0,0,.07)',
  };
}
