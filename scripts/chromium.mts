// chromium: finds a browser for looking at reports, and installs Debian's where it is missing and that is allowed.

import { type FindOptions, findProgram } from './programs.mjs'

/**
 * The path of a Chromium: CHROMIUM, else one on PATH, else one freshly installed through apt-get.
 * @throws Error with one line that says how to get one
 */
export function findChromium(options: FindOptions): Promise<string> {
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  const advice = 'install it (apt-get install chromium) or name one with CHROMIUM=/path/to/chromium'
  return findProgram({ names, package: 'chromium', variable: 'CHROMIUM', advice }, options)
}

/** How reports are looked at: no window, nothing asked of any network. */
export const chromiumFlags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
