/** A browser without windows takes two thirds of the time of one that could open them. */
export const CHROMIUM = '/usr/bin/chromium-headless-shell';

/** Connections to the console alone. */
export const CHROMIUM_ARGS: string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
];
