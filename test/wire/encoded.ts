/** Frames as one Buffer, which is easier to change and to compare than parts. */

import { requestFrame, responseFrame } from '../../src/protocol/framing.js'

export function encodeRequest(...args: Parameters<typeof requestFrame>): Buffer {
  return Buffer.concat(requestFrame(...args))
}

export function encodeResponse(...args: Parameters<typeof responseFrame>): Buffer {
  return Buffer.concat(responseFrame(...args))
}
